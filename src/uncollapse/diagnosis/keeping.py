"""Which checkpoint of a training to keep, and whether adjusted: known where pictures were measured.

Two questions count, is the context there and is it this individual, each answered by the first score that
does. A share goes from 0 to 100 %; any other score from the lowest to the highest of all checkpoints and
arms. That one is kept whose lesser of the two is the greatest, so that neither is bought with the other; of
equals the one with the greater sum, then one as it is before one adjusted, then the earliest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..comparison import Arm, Comparison
from ..metrics import Score
from ..metrics.scores import first_that_answers
from ..metrics.sets.bootstrap import Interval
from .pictures import counted
from .points import TrainingDiagnosis
from .verdict import CONTEXT_KEPT, LIKENESS_KEPT

__all__ = ["NOT_KNOWN", "Kept", "best_kept", "kept_sentence"]

NOT_KNOWN = (
    "Which checkpoint to keep is not known: that is decided by context and likeness, and only measured "
    "pictures show the likeness."
)


@dataclass(frozen=True)
class Kept:
    """A checkpoint by an arm.

    Args:
        step: of the training.
        arm: by which it is drawn.
        label: what curves call the arm; "" for the concept as it is.
        scores: of context and of likeness, with their intervals.
        comparison: the pictures that they were measured of.
    """

    step: int
    arm: Arm
    label: str
    scores: Mapping[Score, Interval]
    comparison: Comparison

    @property
    def word(self) -> str:
        """What shares come to, "dominating", "overlooked" or "healthy"; "" of other scores."""
        if not all(score.share for score in self.scores):
            return ""
        context, likeness = (each.value for each in self.scores.values())
        if context < CONTEXT_KEPT:
            return "dominating"
        return "overlooked" if likeness < LIKENESS_KEPT else "healthy"

    @property
    def name(self) -> str:
        """Which it is: "step 240", "step 640 with TEA"."""
        return f"step {self.step}{f' {self.label}' if self.label else ''}"

    @property
    def figures(self) -> str:
        """What it keeps, with intervals."""
        return ", ".join(
            f"{score.paper_title} {score.written(each.value)} "
            f"[{each.low:.{score.decimals}f}–{each.high:.{score.decimals}f}]"
            for score, each in self.scores.items()
        )


def best_kept(found: TrainingDiagnosis, *, adjusted: bool = True) -> Kept | None:
    """The checkpoint to keep; None where context or likeness was not measured.

    Args:
        adjusted: whether it may be adjusted.
    """
    asked = [first_that_answers(question, found.scores) for question in ("context", "likeness")]
    scores = [score for score in asked if score is not None]
    if len(scores) < len(asked):
        return None
    known = [
        Kept(
            point.step,
            each.arm,
            found.labels[name],
            {s: each.scores[s.name] for s in scores},
            drawn.comparison,
        )
        for point in found.points
        if (drawn := point.pictures) is not None
        for name, each in point.arms.items()
        if each.arm.personalised and all(score.name in each.scores for score in scores)
    ]
    heights = {score: _height([each.scores[score].value for each in known], score) for score in scores}

    def worth(each: Kept) -> tuple[float, float, bool, int]:
        reached = [heights[score](each.scores[score].value) for score in scores]
        return min(reached), sum(reached), not each.label, -each.step

    return max((each for each in known if adjusted or not each.label), key=worth, default=None)


def _height(values: Sequence[float], score: Score) -> Callable[[float], float]:
    """How far up a value of this score is, from 0 to 1."""
    low, high = (0.0, 100.0) if score.share else (min(values), max(values))
    span = (high - low) or 1.0
    return lambda value: (value - low if score.higher_is_better else high - value) / span


def kept_sentence(found: TrainingDiagnosis) -> str:
    """What the checkpoint to keep keeps, and what the best as it is does, where that one is adjusted."""
    best, plain = best_kept(found), best_kept(found, adjusted=False)
    if best is None:
        return NOT_KNOWN
    short = f" Even there it is {best.word}, by its pictures." if best.word not in ("", "healthy") else ""
    also = f" As it is, the best is {plain.name}: {plain.figures}." if best.label and plain else ""
    return f"Of {counted(best.comparison)} each, {best.name} keeps the most: {best.figures}.{short}{also}"
