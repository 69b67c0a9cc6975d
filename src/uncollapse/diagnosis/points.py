"""What was measured over a training: of every checkpoint, by every arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from ..comparison import PERSONALISED, Arm
from ..metrics.scores import Score, present
from ..metrics.sets.bootstrap import Interval
from ..trajectory import Trajectory
from .pictures import Pictures, figures

__all__ = ["FEWEST", "Measured", "Point", "TrainingDiagnosis"]

FEWEST = 4  # checkpoints, of which a change point is asked


@dataclass(frozen=True)
class Measured:
    """One checkpoint by one arm.

    Args:
        arm: the concept as it is, or adjusted, or drawn in some other way.
        values: the denoiser's "heard" and "presence", with intervals over contexts.
        text: by text encoder, the figures of ``text_curves.py``; of an arm those that it moves.
        scores: of the pictures, by name, in the unit of each; empty where none were drawn.
    """

    arm: Arm
    values: Mapping[str, Interval]
    text: Mapping[str, Mapping[str, Interval]]
    scores: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One checkpoint.

    Args:
        step: of the training.
        word: the verdict on the concept as it is.
        arms: what was measured, by the arm's name; "personalised" is the concept as it is.
        norm, cosine: of the learned rows and to the class word, from the manifest; None where no row is
            learned.
        pictures: by every arm; None where none were asked for.
    """

    step: int
    word: str
    arms: Mapping[str, Measured]
    norm: float | None = None
    cosine: float | None = None
    pictures: Pictures | None = None

    @property
    def as_it_is(self) -> Measured:
        return self.arms[PERSONALISED.name]

    def drawn(self, pictures: Pictures) -> Point:
        """With its pictures, and their scores by arm."""
        comparison = pictures.comparison
        arms = {
            name: replace(each, scores=figures(comparison, name)) if comparison.of(name) else each
            for name, each in self.arms.items()
        }
        return replace(self, arms=arms, pictures=pictures)


@dataclass(frozen=True)
class TrainingDiagnosis:
    """All checkpoints that could be measured.

    Args:
        onset: the first step of the lower level; None where there is no change point.
        notes: what was left out and why.
    """

    trajectory: Trajectory
    points: tuple[Point, ...] = ()
    onset: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def encoders(self) -> list[str]:
        """Those that were measured."""
        return list(self.points[0].as_it_is.text) if self.points else []

    @property
    def scores(self) -> list[Score]:
        """Those that any picture has, in the order of the tables."""
        return present({name for p in self.points for each in p.arms.values() for name in each.scores})

    @property
    def labels(self) -> dict[str, str]:
        """What curves and columns call each arm, by its name: "" for the concept as it is, "with TEA".

        Of several that do the same to the model each goes by its name: "with TEA α 0.2", "with TEA α 0.4".
        """
        arms = [measured.arm for measured in self.points[0].arms.values()] if self.points else []
        ways = [arm.way for arm in arms]
        called = {arm.name: arm.way if ways.count(arm.way) == 1 else arm.name for arm in arms}
        return {name: "" if name == PERSONALISED.name else f"with {said}" for name, said in called.items()}

    @property
    def sentence(self) -> str:
        """What became of the context, in words."""
        first, last = self.points[0], self.points[-1]
        before, after = (f"{point.as_it_is.values['heard'].value:.2f}" for point in (first, last))
        moved = f"From step {first.step} to {last.step} the context heard went from {before} to {after}."
        if self.onset is not None:
            return f"{moved} A lower level begins at step {self.onset}."
        if float(after) >= float(before):
            return moved
        few = len(self.points) < FEWEST
        return (
            f"{moved} {f'Fewer than {FEWEST} checkpoints do not show' if few else 'No one step shows'} where."
        )

    @property
    def course(self) -> str:
        """The denoiser's verdicts on the concept as it is: "step 0 overlooked; 100 to 400 dominating."."""
        spans = [list(group) for _, group in groupby(self.points, key=lambda point: point.word)]
        return f"step {'; '.join(f'{_span(each)} {each[0].word}' for each in spans)}."


def _span(points: Sequence[Point]) -> str:
    first, last = points[0].step, points[-1].step
    return str(first) if first == last else f"{first} to {last}"
