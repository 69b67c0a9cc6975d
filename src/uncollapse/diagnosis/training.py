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
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..concept import Concept
from ..custom_diffusion import load_custom_diffusion
from ..errors import UncollapseError
from ..learned_embeds import load_into, read
from ..loading import load_lora
from ..pipelines import apply
from ..pipelines.token_level import token_table
from ..placeholders import learned_tokens
from ..trajectory import Checkpoint, Trajectory
from .bootstrap import Interval, mean_interval, set_intervals
from .contexts import Contexts
from .probe import ProbeSettings, base_response, probe, response
from .prompts import Encoded, encode, encoder_of, prompt_drift
from .verdict import PROMPT_BETA, judged

__all__ = ["Point", "TrainingDiagnosis", "change_point", "diagnose_trajectory"]

FEWEST = 4
ALPHA = 0.4  # of the adjustment drawn beside the curves


@dataclass(frozen=True)
class Point:
    """One checkpoint.

    Args:
        step: of the training.
        word: the verdict.
        values: "heard", "presence", "heard with TEA"; "context drift", "concept drift", "pooled drift",
        "energy",
            "spread" (within P_V* ÷ within P_c), with their intervals over contexts.
        norm, cosine: of the learned rows and to the class word, from the manifest; None where no row is
        learned.
    """

    step: int
    word: str
    values: dict[str, Interval]
    norm: float | None
    cosine: float | None


@dataclass(frozen=True)
class TrainingDiagnosis:
    """All checkpoints that could be measured.

    Args:
        onset: the first step of the lower level; None where there is no change point.
        notes: what was left out and why.
    """

    trajectory: Trajectory
    points: tuple[Point, ...]
    onset: int | None
    notes: tuple[str, ...] = ()

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
) -> TrainingDiagnosis:
    """Measure every checkpoint of a training.

    Args:
        load_base: a new pipeline of the base model; called once, and for Custom Diffusion once a checkpoint.
        contexts: sentences that the encoder hears to their end.
        on_checkpoint: called with 1 after each.
    """
    concept = Concept(trajectory.placeholder, trajectory.class_word)
    pipe = load_base()
    templates = contexts.first(probe_contexts).templates
    reference = base_response(pipe, concept, templates, settings)
    tokenizer, encoder = encoder_of(pipe)
    anchors = encode(tokenizer, encoder, contexts.about(concept.anchor))
    points: list[Point] = []
    notes: list[str] = []
    try:
        for checkpoint, tuned in _states(trajectory, pipe, load_base):
            base = pipe if tuned is not pipe else None
            values = _text(tuned, concept, contexts, anchors)
            plain = probe(response(tuned, concept.placeholder, templates, settings), reference)
            moved = replace(concept, alpha=ALPHA, **_norm_rule(trajectory))
            with apply(tuned, moved, base=base):
                adjusted = probe(response(tuned, concept.placeholder, templates, settings), reference)
            values |= {"heard": plain.heard, "presence": plain.presence, "heard with TEA": adjusted.heard}
            word = judged(plain.heard.value, plain.presence.value)
            points.append(Point(checkpoint.step, word, values, checkpoint.norm, checkpoint.cosine))
            on_checkpoint(1)
    except UncollapseError as error:
        notes.append(f"Stopped after {len(points)} of {len(trajectory.checkpoints)} checkpoints: {error}")
    onset = change_point([p.values["heard"].value for p in points])
    return TrainingDiagnosis(
        trajectory, tuple(points), None if onset is None else points[onset].step, tuple(notes)
    )


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
    return {} if trajectory.method in ("textual-inversion", "reversion") else {"beta": PROMPT_BETA}


def _text(pipe: Any, concept: Concept, contexts: Contexts, anchors: Sequence[Encoded]) -> dict[str, Interval]:
    """The text encoder's figures."""
    tokenizer, encoder = encoder_of(pipe)
    ours = encode(tokenizer, encoder, contexts.about(concept.placeholder))
    drift = prompt_drift(tokenizer, concept, ours, anchors)
    sets = set_intervals(drift.P, drift.Q)
    within, reference = sets["euclidean within P"], sets["euclidean within Q"].value
    return {
        "context drift": mean_interval(drift.context[drift.context.isfinite()]),
        "concept drift": mean_interval(drift.concept),
        "pooled drift": mean_interval(drift.pooled),
        "energy": sets["energy"],
        "spread": Interval(within.value / reference, within.low / reference, within.high / reference),
    }


def _states(
    trajectory: Trajectory, pipe: Any, load_base: Callable[[], Any]
) -> Iterator[tuple[Checkpoint, Any]]:
    """Each checkpoint with a pipeline that is in its state while it is out."""
    into = {
        "textual-inversion": _embedding,
        "reversion": _embedding,
        "dreambooth-lora": _lora,
        "custom-diffusion": _custom_diffusion,
    }
    for checkpoint in trajectory.checkpoints:
        with into[trajectory.method](trajectory, checkpoint, pipe, load_base) as tuned:
            yield checkpoint, tuned


@contextmanager
def _embedding(trajectory: Trajectory, checkpoint: Checkpoint, pipe: Any, _: Any) -> Iterator[Any]:
    """The rows are written over those of the checkpoint before, in place."""
    path = trajectory.path(checkpoint)
    names = learned_tokens(pipe.tokenizer, trajectory.placeholder)
    if not names:
        load_into(pipe, path, trajectory.placeholder)
    else:
        rows = next(iter(read(path).vectors.values()))
        table = token_table(pipe.text_encoder)
        with torch.no_grad():
            table[pipe.tokenizer.convert_tokens_to_ids(names)] = rows.to(table)
    yield pipe


@contextmanager
def _lora(trajectory: Trajectory, checkpoint: Checkpoint, pipe: Any, _: Any) -> Iterator[Any]:
    load_lora(pipe, trajectory.path(checkpoint))
    try:
        yield pipe
    finally:
        pipe.unload_lora_weights()


@contextmanager
def _custom_diffusion(
    trajectory: Trajectory, checkpoint: Checkpoint, pipe: Any, load_base: Callable[[], Any]
) -> Iterator[Any]:
    """It changes the U-Net's own weights, so every checkpoint gets a new one."""
    tuned = load_base()
    load_custom_diffusion(tuned, trajectory.path(checkpoint))
    yield tuned
