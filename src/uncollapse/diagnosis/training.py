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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..comparison import PERSONALISED, Arm, tea_arms
from ..components import Pipeline, encoders_of
from ..concept import Concept
from ..errors import UncollapseError
from ..metrics.sets.bootstrap import Interval
from ..training import method_of
from ..trajectory import Trajectory
from .checkpoints import states
from .contexts import Contexts
from .pictures import PictureSettings, draw_pictures
from .points import FEWEST, Measured, Point, TrainingDiagnosis
from .probe import ProbeSettings, Response, arm_response, base_response, probe
from .prompts import EncodedSentence, encode, encoder_of
from .text_curves import MOVED, Sentences, adjusted, reading, text_values
from .verdict import PROMPT_BETA, judged

__all__ = ["change_point", "diagnose_trajectory", "diagnosing_trajectory", "usual_arms", "with_point"]

ALPHA = 0.4  # of the adjustment drawn beside the curves


def diagnose_trajectory(
    trajectory: Trajectory,
    load_base: Callable[[], Pipeline],
    contexts: Contexts,
    settings: ProbeSettings | None = None,
    probe_contexts: int = 16,
    on_checkpoint: Callable[[int], object] = lambda count: None,
    pictures: PictureSettings | None = None,
    on_images: Callable[[int], object] = lambda count: None,
    arms: Sequence[Arm] | None = None,
) -> TrainingDiagnosis:
    """Measure every checkpoint of a training.

    Args:
        load_base: a new pipeline of the base model; called once, and for Custom Diffusion once a checkpoint.
        contexts: sentences that the encoders hear to their end.
        settings: where the denoiser is probed.
        probe_contexts: how many of the contexts it is asked about.
        on_checkpoint: called with 1 after each.
        pictures: drawn at every checkpoint, as it is and by every arm; None for none.
        on_images: called with the number of pictures just finished.
        arms: measured beside the concept as it is; None for ``usual_arms``.

    Raises: UncollapseError, where not even the base model can be measured.
    """
    asked = (settings, probe_contexts, on_checkpoint, pictures, on_images, arms)
    whole = TrainingDiagnosis(trajectory)
    for whole in diagnosing_trajectory(trajectory, load_base, contexts, *asked):  # noqa: B007
        pass
    return whole


def diagnosing_trajectory(
    trajectory: Trajectory,
    load_base: Callable[[], Pipeline],
    contexts: Contexts,
    settings: ProbeSettings | None = None,
    probe_contexts: int = 16,
    on_checkpoint: Callable[[int], object] = lambda count: None,
    pictures: PictureSettings | None = None,
    on_images: Callable[[int], object] = lambda count: None,
    arms: Sequence[Arm] | None = None,
) -> Iterator[TrainingDiagnosis]:
    """Measure a training checkpoint by checkpoint, so that whoever is interrupted has what was measured.

    Args:
        load_base: a new pipeline of the base model; called once, and for Custom Diffusion once a checkpoint.
        contexts: sentences that the encoders hear to their end.
        settings: where the denoiser is probed.
        probe_contexts: how many of the contexts it is asked about.
        on_checkpoint: called with 1 after each.
        pictures: drawn at every checkpoint, as it is and by every arm; None for none.
        on_images: called with the number of pictures just finished.
        arms: measured beside the concept as it is; None for ``usual_arms``.

    Yields: what is known after each checkpoint was measured, and again after it was drawn.
    Raises: UncollapseError, where not even the base model can be measured; later ones end it with a note.
    """
    all_arms = [PERSONALISED, *(usual_arms(trajectory) if arms is None else arms)]
    concept = Concept(trajectory.placeholder, trajectory.class_word)
    pipe = load_base()
    asked = _ask(pipe, concept, contexts, contexts.first(probe_contexts).templates, settings)
    known = TrainingDiagnosis(trajectory, notes=asked.notes)
    try:
        for checkpoint, tuned in states(trajectory, pipe, load_base):
            base = pipe if tuned is not pipe else None
            found = _measured(tuned, base, asked, all_arms)
            plain = found[PERSONALISED.name].values
            word = judged(plain["heard"].value, plain["presence"].value)
            point = Point(checkpoint.step, word, found, checkpoint.norm, checkpoint.cosine)
            on_checkpoint(1)
            yield with_point(known, point)
            if pictures is not None:
                *_, drawn = draw_pictures(tuned, concept, pictures, all_arms, base=base, on_images=on_images)
                point = point.drawn(drawn)
            known = with_point(known, point)
            yield known
    except UncollapseError as error:
        stopped = f"Stopped after {len(known.points)} of {len(trajectory.checkpoints)} checkpoints: {error}"
        yield replace(known, notes=(*known.notes, stopped))


def usual_arms(trajectory: Trajectory) -> list[Arm]:
    """TEA with α 0.4, and with the paper's β at token level; at prompt level norms are kept."""
    return tea_arms([ALPHA], **_norm_rule(trajectory))


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
    return {} if method_of(trajectory).level == "token" else {"beta": PROMPT_BETA}


def with_point(known: TrainingDiagnosis, point: Point) -> TrainingDiagnosis:
    """With one more checkpoint, and the change point of all."""
    points = (*known.points, point)
    onset = change_point([p.as_it_is.values["heard"].value for p in points])
    return replace(known, points=points, onset=None if onset is None else points[onset].step)


@dataclass(frozen=True)
class _Asked:
    """What every checkpoint is asked, and what the base model answered: the denoiser, and by name each text
    encoder that can be asked."""

    concept: Concept
    contexts: Contexts
    templates: Sequence[str]
    settings: ProbeSettings | None
    reference: Response
    anchors: Mapping[str, Sequence[EncodedSentence]]
    notes: tuple[str, ...]


def _ask(
    pipe: Pipeline,
    concept: Concept,
    contexts: Contexts,
    templates: Sequence[str],
    settings: ProbeSettings | None,
) -> _Asked:
    reference = base_response(pipe, concept, templates, settings)
    anchors, notes = {}, []
    for name in encoders_of(pipe, "diagnose"):
        try:
            anchors[name] = encode(*encoder_of(pipe, name), contexts.about(concept.anchor))
        except UncollapseError as error:
            notes.append(f"Text encoder {name} left out: {error}")
    return _Asked(concept, contexts, templates, settings, reference, anchors, tuple(notes))


def _measured(
    tuned: Pipeline, base: Pipeline | None, asked: _Asked, arms: Sequence[Arm]
) -> dict[str, Measured]:
    """A checkpoint by each arm; ``base`` as for ``apply``."""
    read = {
        name: reading(tuned, asked.concept, asked.contexts, anchors, name)
        for name, anchors in asked.anchors.items()
    }
    found = {}
    for arm in arms:
        said = arm_response(tuned, asked.concept, arm, asked.templates, asked.settings, base)
        heard = probe(said, asked.reference)
        text = _text(tuned, base, asked.concept, arm, read)
        found[arm.name] = Measured(arm, {"heard": heard.heard, "presence": heard.presence}, text)
    return found


def _text(
    tuned: Pipeline, base: Pipeline | None, concept: Concept, arm: Arm, read: Mapping[str, Sentences]
) -> dict[str, dict[str, Interval]]:
    if arm == PERSONALISED:
        return {name: text_values(each.drift) for name, each in read.items()}
    if not arm.personalised:  # the plain word beside itself
        return {}
    with arm.drawing(tuned, concept, base) as drawer:
        values = {name: text_values(adjusted(each, drawer, arm)) for name, each in read.items()}
    return {name: {key: each[key] for key in MOVED} for name, each in values.items()}
