"""What a text encoder makes of the concept at one checkpoint: drift, distances, spread, with and without TEA.

The spread is that of P_V* as a share of P_c's: 1, the sentences are as unlike each other as those of the
plain word; 0, all are alike. So all its measures go on one axis; of the Gaussian's entropy it is
exp(H(P) − H(Q)), the ratio of widths.

At prompt level an adjustment turns a sentence's last token toward that of its twin with the anchor word,
which is the row of Q, and so it is computed from the two. At token level the rows themselves change, and
the sentences are encoded anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..adjusters import Places, Role
from ..components import tokens_and_encoders
from ..concept import Concept
from ..metrics.sets.bootstrap import Interval, mean_interval, set_intervals
from ..metrics.sets.distances import distances
from ..metrics.sets.spread import set_spread
from ..placeholders import is_learned
from .contexts import Contexts
from .prompt_figures import mean_of_known
from .prompts import Encoded, PromptDrift, encode, encoder_of, prompt_drift

__all__ = ["DISTANCES", "SPREADS", "TEA", "adjusted", "drift_of", "text_values"]

TEA = " with TEA"
DISTANCES = ("euclidean", "hausdorff", "energy", "mahalanobis", "kl", "mmd")
SPREADS = ("spread", "spread, mmd", "spread, hausdorff", "spread, mahalanobis", "spread, entropy")


def drift_of(
    pipe: Any, concept: Concept, contexts: Contexts, anchors: Sequence[Encoded], encoder: str
) -> PromptDrift:
    """The contexts with V*, by the pipeline as it is, beside ``anchors``."""
    tokenizer, ours = encoder_of(pipe, encoder)
    return prompt_drift(
        tokenizer, concept, encode(tokenizer, ours, contexts.about(concept.placeholder)), anchors
    )


def adjusted(
    drift: PromptDrift,
    pipe: Any,
    concept: Concept,
    contexts: Contexts,
    anchors: Sequence[Encoded],
    encoder: str,
) -> PromptDrift:
    """The same with the concept's adjustment, which is in force in ``pipe``.

    At prompt level only the last tokens are adjusted: the drift of single words is left as it was.
    """
    if any(is_learned(tokenizer, concept.placeholder) for tokenizer, _ in tokens_and_encoders(pipe)):
        return drift_of(pipe, concept, contexts, anchors, encoder)
    P = concept.adjuster.adjust(drift.P, drift.Q, Places.all(Role.REST, drift.P))
    pooled = 1 - torch.cosine_similarity(P.double(), drift.Q.double(), dim=-1)
    return replace(drift, P=P, pooled=pooled)


def text_values(drift: PromptDrift) -> dict[str, Interval]:
    """All figures with their intervals over contexts, from nan to nan where a statistic has none."""
    P, Q = drift.P, drift.Q
    sets, between = set_intervals(P, Q), distances(P, Q, paired=True)
    return {
        "context drift": mean_of_known(drift.context),
        "concept drift": mean_of_known(drift.concept),
        "pooled drift": mean_interval(drift.pooled),
        "norm ratio": mean_interval(drift.norm_ratio),
        **{name: sets.get(name, _alone(getattr(between, name))) for name in DISTANCES},
        **_spreads(P, Q, sets),
    }


def _spreads(P: Tensor, Q: Tensor, sets: dict[str, Interval]) -> dict[str, Interval]:
    ours, theirs = set_spread(P, Q), set_spread(Q)
    return {
        "spread": _share(sets["euclidean within P"], sets["euclidean within Q"].value),
        "spread, mmd": _share(sets["mmd within P"], sets["mmd within Q"].value),
        "spread, hausdorff": _alone(ours.hausdorff / theirs.hausdorff if theirs.hausdorff else torch.nan),
        "spread, mahalanobis": _alone(ours.mahalanobis / theirs.mahalanobis),
        "spread, entropy": _alone(torch.tensor(ours.entropy - theirs.entropy).exp().item()),
    }


def _share(interval: Interval, whole: float) -> Interval:
    return Interval(interval.value / whole, interval.low / whole, interval.high / whole)


def _alone(value: float) -> Interval:
    return Interval(value, torch.nan, torch.nan)
