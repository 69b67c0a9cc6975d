"""What a text encoder makes of the concept at one checkpoint: drift, distances, spread, by an arm too.

The spread is that of P_V* as a share of P_c's: 1, the sentences are as unlike each other as those of the
plain word; 0, all are alike. So all its measures go on one axis; of the Gaussian's entropy it is
exp(H(P) − H(Q)), the ratio of widths.

At prompt level an adjuster moves a sentence's last token, given the sentence and its twin with the anchor
word, and so it is computed from the two. At token level the rows themselves change, and the sentences are
encoded anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..comparison import Arm
from ..components import Pipeline, tokens_and_encoders
from ..concept import Concept
from ..metrics.sets.bootstrap import Interval, mean_interval, set_intervals
from ..metrics.sets.distances import distances
from ..metrics.sets.spread import set_spread
from ..metrics.sets.statistics import DISTANCES, SPREADS, Statistic
from ..placeholders import is_learned
from .contexts import Contexts
from .prompt_figures import mean_of_known
from .prompts import EncodedSentence, PromptDrift, adjusted_ends, encode, encoder_of, prompt_drift

__all__ = ["MOVED", "Sentences", "adjusted", "reading", "share_of_spread", "text_values"]


def share_of_spread(statistic: Statistic) -> str:
    """The name of a spread as a share of the plain word's: "spread" of the Euclidean, "spread, mmd"."""
    return "spread" if statistic.name == "euclidean" else f"spread, {statistic.name}"


MOVED = (  # by an arm; the drift of single words may not be
    "pooled drift",
    *(each.name for each in DISTANCES),
    *(share_of_spread(each) for each in SPREADS),
)


@dataclass(frozen=True)
class Sentences:
    """The contexts as one text encoder hears them.

    Args:
        encoder: its name.
        concept, contexts: what was asked.
        ours, anchors: the sentences with V* and with the plain word.
        drift: of the first from the second.
    """

    encoder: str
    concept: Concept
    contexts: Contexts
    ours: Sequence[EncodedSentence]
    anchors: Sequence[EncodedSentence]
    drift: PromptDrift


def reading(
    pipe: Pipeline, concept: Concept, contexts: Contexts, anchors: Sequence[EncodedSentence], encoder: str
) -> Sentences:
    """The contexts with V*, by the pipeline as it is, beside ``anchors``.

    Raises: PipelineError.
    """
    tokenizer, own = encoder_of(pipe, encoder)
    ours = encode(tokenizer, own, contexts.about(concept.placeholder))
    drift = prompt_drift(tokenizer, concept, ours, anchors)
    return Sentences(encoder, concept, contexts, ours, anchors, drift)


def adjusted(read: Sentences, pipe: Pipeline, arm: Arm) -> PromptDrift:
    """The same by an arm, which is in force in ``pipe``.

    At prompt level only the last tokens are adjusted: the drift of single words is left as it was.

    Raises: PipelineError.
    """
    placeholder = read.concept.placeholder
    learned = any(is_learned(tokenizer, placeholder) for tokenizer, _ in tokens_and_encoders(pipe))
    if learned or type(arm) is not Arm:  # rows change before they are encoded; others do as they like
        read = reading(pipe, read.concept, read.contexts, read.anchors, read.encoder)
    how = arm.adjusted(read.concept)
    if learned or how is None or not how.moves(read.encoder):
        return read.drift
    tokenizer, _ = encoder_of(pipe, read.encoder)
    P = adjusted_ends(tokenizer, read.concept, read.ours, read.anchors, how.adjuster)
    pooled = 1 - torch.cosine_similarity(P.double(), read.drift.Q.double(), dim=-1)
    return replace(read.drift, P=P, pooled=pooled)


def text_values(drift: PromptDrift) -> dict[str, Interval]:
    """All figures with their intervals over contexts, from nan to nan where a statistic has none."""
    P, Q = drift.P, drift.Q
    sets, between = set_intervals(P, Q), distances(P, Q, paired=True)
    return {
        "context drift": mean_of_known(drift.context),
        "concept drift": mean_of_known(drift.concept),
        "pooled drift": mean_interval(drift.pooled),
        "norm ratio": mean_interval(drift.norm_ratio),
        **{each.name: sets.get(each.name, _alone(getattr(between, each.name))) for each in DISTANCES},
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
