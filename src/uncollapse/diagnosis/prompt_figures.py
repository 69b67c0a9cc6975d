"""The prompt level in numbers: what is reported of one text encoder, with intervals over contexts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..components import Pipeline
from ..concept import Concept
from ..errors import EmbeddingError
from ..metrics.sets.bootstrap import Interval, mean_interval, set_intervals
from ..metrics.sets.distances import Distances, distances
from ..metrics.sets.published import Published, published
from ..metrics.sets.spread import SetSpread, set_spread
from .contexts import Contexts
from .prompts import PromptDrift, encode_both, encoder_of, prompt_drift

__all__ = ["PromptFigures", "mean_of_known", "prompt_figures"]


@dataclass(frozen=True)
class PromptFigures:
    """The prompt level in numbers.

    Args:
        context, concept, pooled, norm_ratio: means over contexts with intervals, as in ``prompts.py``.
        between, within, within_anchor: as in ``distances.py`` and ``spread.py``.
        intervals: of those statistics that have one.
        drift: the values by context.
        published: by the paper's definitions: "between", "within", "within anchor".
        notes: what was left out and why.
    """

    context: Interval
    concept: Interval
    pooled: Interval
    norm_ratio: Interval
    between: Distances
    within: SetSpread
    within_anchor: SetSpread
    intervals: Mapping[str, Interval]
    drift: PromptDrift
    published: Mapping[str, Published] | None = None
    notes: tuple[str, ...] = ()


def prompt_figures(
    pipe: Pipeline,
    concept: Concept,
    contexts: Contexts,
    base: Pipeline | None = None,
    encoder: str | None = None,
    as_published: bool = False,
) -> PromptFigures:
    """Measure one text encoder, by its name in ``encoders_of``.

    Raises: PipelineError, EmbeddingError.
    """
    tokenizer, _ = encoder_of(pipe, encoder)
    drift = prompt_drift(tokenizer, concept, *encode_both(pipe, concept, contexts, base, encoder))
    P, Q = drift.P, drift.Q
    sets = {"between": (P, Q), "within": (P, P), "within anchor": (Q, Q)}
    intervals, notes = _intervals(P, Q)
    return PromptFigures(
        mean_of_known(drift.context),
        mean_of_known(drift.concept),
        mean_interval(drift.pooled),
        mean_interval(drift.norm_ratio),
        distances(P, Q, paired=True),
        set_spread(P, Q),
        set_spread(Q),
        intervals,
        drift,
        {name: published(*pair) for name, pair in sets.items()} if as_published else None,
        notes,
    )


def mean_of_known(values: Tensor) -> Interval:
    """The mean over the contexts that have a value; nan where none has."""
    known = values[values.isfinite()]
    return mean_interval(known) if len(known) else Interval(torch.nan, torch.nan, torch.nan)


def _intervals(P: Tensor, Q: Tensor) -> tuple[dict[str, Interval], tuple[str, ...]]:
    try:
        return set_intervals(P, Q), ()
    except EmbeddingError as error:
        return {}, (f"No intervals: {error}",)
