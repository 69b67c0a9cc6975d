"""The statistics as the paper defines them, for comparison with its figures and for nothing else.

    euclidean    mean over all pairs of |p − q|, a set against itself with its zero diagonal
    hausdorff    max-min, both ways; 0 for a set against itself
    mahalanobis  mean over p of √((p − mean Q)ᵀ S_Q⁺ (p − mean Q)), S⁺ the pseudo-inverse
    kl           mean over rows of KL(softmax(P Pᵀ) ‖ softmax(Q Qᵀ))

Each has a defect that is stated in ``WARNINGS``, and that a test shows. Source: arXiv:2506.22685 and its
published analysis, restated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import EmbeddingError
from .distances import check_sets, hausdorff, pairwise

__all__ = ["WARNINGS", "Published", "published"]

WARNINGS = {
    "euclidean": "within a set the zero diagonal is left in: (N−1)/N of the mean distance, so it depends "
    "on N.",
    "hausdorff": "within a set it is always 0; between sets one outlier decides it.",
    "mahalanobis": "within a set it is the constant (N−1)/√N whenever N ≤ D, for any data.",
    "kl": "softmaxed self-similarities are compared: 0 against itself, blind to a rotation of either "
    "set, and another number when the sentences come in another order.",
}


@dataclass(frozen=True)
class Published:
    """The four statistics of two sets by the paper's definitions; see ``WARNINGS``."""

    euclidean: float
    hausdorff: float
    mahalanobis: float
    kl: float


def published(P: Tensor, Q: Tensor) -> Published:
    """The paper's d(P, Q); with Q = P its intra-set figures.

    Args:
        P, Q: ``[n, dim]`` each, the same sentences in the same order.

    Raises: EmbeddingError, also for sets of different size, which its KL cannot compare.
    """
    P, Q = check_sets(P, Q)
    if len(P) != len(Q):
        raise EmbeddingError(
            f"published(): the sets hold {len(P)} and {len(Q)} vectors, but the paper's KL compares row with "
            "row. Give the same sentences for both."
        )
    return Published(pairwise(P, Q).mean().item(), hausdorff(P, Q), _mahalanobis(P, Q), _kl(P, Q))


def _mahalanobis(P: Tensor, Q: Tensor) -> float:
    centre = Q.mean(0)
    inverse = torch.linalg.pinv(torch.cov(Q.T), hermitian=True, rtol=1e-10)
    away = P - centre
    return float(((away @ inverse) * away).sum(1).clamp(min=0).sqrt().mean())


def _kl(P: Tensor, Q: Tensor) -> float:
    p, q = ((each @ each.T).log_softmax(-1) for each in (P, Q))
    return float((p.exp() * (p - q)).sum(-1).mean())
