"""A diagnosis over training: the same figures at every checkpoint, and the step at which collapse sets in.

The base model is asked once and its sentences are encoded once; checkpoints are put into one pipeline in
turn. A checkpoint that cannot be read ends the walk, and what was measured until then is kept.

The change point is that of two levels: of all ways to cut the curve of ``heard`` in two, the one whose
two means leave the least squared error. It counts where there are at least ``FEWEST`` checkpoints, the
second level is the lower, and the levels lie farther apart than twice the standard deviation of what is
left about them.
Source: two-segment least squares, as in E. S. Page, Biometrika 42 (1955), and its many successors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from ..comparison import PERSONALISED, Arm
from ..components import encoders_of
from ..concept import Concept
from ..errors import UncollapseError
from ..metrics.sets.bootstrap import Interval
from ..pipelines import apply
from ..training import METHODS
from ..trajectory import Trajectory
from .checkpoints import states
from .contexts import Contexts
from .pictures import Pictures, PictureSettings, draw_pictures, figures
from .probe import ProbeSettings, base_response, probe, response
from .prompts import Encoded, PromptDrift, encode, encoder_of
from .text_curves import DISTANCES, SPREADS, TEA, adjusted, drift_of, text_values
from .verdict import PROMPT_BETA, judged

__all__ = ["Point", "TrainingDiagnosis", "change_point", "diagnose_trajectory", "diagnosing_trajectory"]

FEWEST = 4
ALPHA = 0.4  # of the adjustment drawn beside the curves


@dataclass(frozen=True)
class Point:
    """One checkpoint.

    Args:
        step: of the training.
        word: the verdict.
        values: the denoiser's "heard", "presence", "heard with TEA", with intervals over contexts.
        text: by text encoder, the figures of ``text_curves.py``, and those of them that an adjustment moves
            again "with TEA".
        norm, cosine: of the learned rows and to the class word, from the manifest; None where no row is
            learned.
        pictures: unadjusted and adjusted; None where none were asked for.
    """

    step: int
    word: str
    values: dict[str, Interval]
    text: dict[str, dict[str, Interval]]
    norm: float | None
    cosine: float | None
    pictures: Pictures | None = None

    @cached_property
    def scores(self) -> dict[str, Interval]:
        """Those of the pictures, in the unit of each: "clip_t_context", "clip_t_context with TEA", …"""
        if self.pictures is None:
            return {}
        comparison = self.pictures.comparison
        return {
            name + (TEA if arm.adjuster else ""): value
            for arm in comparison.arms
            for name, value in figures(comparison, arm.name).items()
        }


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
        return list(self.points[0].text) if self.points else []

    @property
    def sentence(self) -> str:
        """What became of the context, in words."""
        first, last = self.points[0], self.points[-1]
        heard = [point.values["heard"].value for point in (first, last)]
        steps = f"From step {first.step} to {last.step}"
        moved = f"{steps} the context heard went from {heard[0]:.2f} to {heard[1]:.2f}."
        if self.onset is None:
            return f"{moved} There is no step at which it falls to a lower level."
        return f"{moved} A lower level begins at step {self.onset}."


def diagnose_trajectory(
    trajectory: Trajectory,
    load_base: Callable[[], Any],
    contexts: Contexts,
    settings: ProbeSettings | None = None,
    probe_contexts: int = 16,
    on_checkpoint: Callable[[int], object] = lambda count: None,
    pictures: PictureSettings | None = None,
    on_images: Callable[[int], object] = lambda count: None,
) -> TrainingDiagnosis:
    """Measure every checkpoint of a training.

    Args:
        load_base: a new pipeline of the base model; called once, and for Custom Diffusion once a checkpoint.
        contexts: sentences that the encoders hear to their end.
        on_checkpoint: called with 1 after each.
        pictures: drawn at every checkpoint, as it is and adjusted; None for none.
        on_images: called with the number of pictures just finished.
    """
    asked = (settings, probe_contexts, on_checkpoint, pictures, on_images)
    whole = TrainingDiagnosis(trajectory)
    for whole in diagnosing_trajectory(trajectory, load_base, contexts, *asked):  # noqa: B007
        pass
    return whole


def diagnosing_trajectory(
    trajectory: Trajectory,
    load_base: Callable[[], Any],
    contexts: Contexts,
    settings: ProbeSettings | None = None,
    probe_contexts: int = 16,
    on_checkpoint: Callable[[int], object] = lambda count: None,
    pictures: PictureSettings | None = None,
    on_images: Callable[[int], object] = lambda count: None,
) -> Iterator[TrainingDiagnosis]:
    """The same as it grows, so that whoever is interrupted has the checkpoints measured until then."""
    concept = Concept(trajectory.placeholder, trajectory.class_word)
    pipe = load_base()
    templates = contexts.first(probe_contexts).templates
    reference = base_response(pipe, concept, templates, settings)
    anchors, notes = _anchors(pipe, contexts.about(concept.anchor))
    moved = replace(concept, alpha=ALPHA, **_norm_rule(trajectory))
    known = TrainingDiagnosis(trajectory, notes=notes)
    try:
        for checkpoint, tuned in states(trajectory, pipe, load_base):
            base = pipe if tuned is not pipe else None
            plain = probe(response(tuned, concept.placeholder, templates, settings), reference)
            drift = {name: drift_of(tuned, concept, contexts, anchors[name], name) for name in anchors}
            with apply(tuned, moved, base=base):
                eased = probe(response(tuned, concept.placeholder, templates, settings), reference)
                eased_text = {
                    name: adjusted(drift[name], tuned, moved, contexts, anchors[name], name)
                    for name in anchors
                }
            point = Point(
                checkpoint.step,
                judged(plain.heard.value, plain.presence.value),
                {"heard": plain.heard, "presence": plain.presence, f"heard{TEA}": eased.heard},
                {name: _text(drift[name], eased_text[name]) for name in anchors},
                checkpoint.norm,
                checkpoint.cosine,
            )
            on_checkpoint(1)
            yield _with_point(known, point)
            if pictures is not None:
                arms = [PERSONALISED, Arm(f"TEA α {ALPHA:g}", moved.adjuster)]
                *_, drawn = draw_pictures(tuned, concept, pictures, arms, base=base, on_images=on_images)
                point = replace(point, pictures=drawn)
            known = _with_point(known, point)
            yield known
    except UncollapseError as error:
        stopped = f"Stopped after {len(known.points)} of {len(trajectory.checkpoints)} checkpoints: {error}"
        yield replace(known, notes=(*known.notes, stopped))


def change_point(values: Sequence[float]) -> int | None:
    """Where the second, lower level of two begins; None where there is none (see the head of this file).

    >>> change_point([1.0, 0.9, 1.0, 0.2, 0.1, 0.2])
    3
    """
    x = torch.tensor(list(values), dtype=torch.float64)
    if len(x) < FEWEST:
        return None

    def left(cut: int) -> float:
        return sum(((part - part.mean()) ** 2).sum().item() for part in (x[:cut], x[cut:]))

    cut = min(range(1, len(x)), key=left)
    drop = (x[:cut].mean() - x[cut:].mean()).item()
    deviation = (left(cut) / len(x)) ** 0.5
    return cut if drop > max(2 * deviation, 1e-9) else None


def _norm_rule(trajectory: Trajectory) -> dict[str, Any]:
    return {} if METHODS[trajectory.method].level == "token" else {"beta": PROMPT_BETA}


def _with_point(known: TrainingDiagnosis, point: Point) -> TrainingDiagnosis:
    points = (*known.points, point)
    onset = change_point([p.values["heard"].value for p in points])
    return replace(known, points=points, onset=None if onset is None else points[onset].step)


def _anchors(pipe: Any, sentences: Sequence[str]) -> tuple[dict[str, list[Encoded]], tuple[str, ...]]:
    """The plain word's sentences as each text encoder hears them; those that cannot be asked are noted."""
    found, notes = {}, []
    for name in encoders_of(pipe, "diagnose"):
        try:
            found[name] = encode(*encoder_of(pipe, name), sentences)
        except UncollapseError as error:
            notes.append(f"Text encoder {name} left out: {error}")
    return found, tuple(notes)


def _text(drift: PromptDrift, eased: PromptDrift) -> dict[str, Interval]:
    plain, with_tea = text_values(drift), text_values(eased)
    return plain | {f"{name}{TEA}": with_tea[name] for name in ("pooled drift", *DISTANCES, *SPREADS)}
