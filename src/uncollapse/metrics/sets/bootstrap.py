"""How far a figure over contexts would move with other contexts: bootstrap intervals.

The contexts are drawn anew, with replacement, the same ones for both sets, since P and Q hold the same
sentences. A context drawn twice must not be compared with itself: for a statistic over pairs each draw is
a set of weights, and pairs of one context with itself weigh nothing.

There is no interval for Hausdorff's distance, since resampling finds no outlier beyond the sample's, nor for
Mahalanobis' and KL, whose shrunk covariance takes repeated rows for a smaller spread.
Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .distances import bandwidth, check_sets, kernel, pairwise

if TYPE_CHECKING:
    from jaxtyping import Float64, Real

__all__ = ["Interval", "mean_interval", "set_intervals"]

DRAWS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval over contexts."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}–{self.high:.2f}]"


def mean_interval(
    values: Real[Tensor, " contexts"], weights: Real[Tensor, " contexts"] | None = None, seed: int = 0
) -> Interval:
    """Mean of one value a context, ``[contexts]``; with ``weights`` the ratio Σ values / Σ weights.

    A single context has no spread: its interval is from nan to nan.
    """
    values = values.double()
    weights = torch.ones_like(values) if weights is None else weights.double()
    counts = _counts(len(values), seed)
    return _interval(values.sum() / weights.sum(), (counts @ values) / (counts @ weights), len(values))


def set_intervals(P: Tensor, Q: Tensor, seed: int = 0) -> dict[str, Interval]:
    """Intervals of euclidean, energy and mmd between P and Q, and of their spread within each.

    Args:
        P, Q: ``[n, dim]``, the same contexts in the same order.

    Returns: "euclidean", "energy", "mmd"; "euclidean within P", "mmd within P", and so for Q.
    Raises: EmbeddingError, for sets that cannot be compared, or without spread.
    """
    P, Q = check_sets(P, Q, paired=True)
    counts = _counts(len(P), seed)
    once = torch.ones(1, len(P), dtype=torch.float64)
    h = bandwidth(Q)
    pairs = {"P": pairwise(P, P), "Q": pairwise(Q, Q), "between": pairwise(P, Q)}
    kernels = {name: kernel(d, h) for name, d in pairs.items()}

    def of(weights: Float64[Tensor, "draws n"]) -> dict[str, Float64[Tensor, " draws"]]:
        d = {name: _weighted(matrix, weights) for name, matrix in pairs.items()}
        k = {name: _weighted(matrix, weights) for name, matrix in kernels.items()}
        return {
            "euclidean": d["between"],
            "energy": 2 * d["between"] - d["P"] - d["Q"],
            "mmd": k["P"] + k["Q"] - 2 * k["between"],
            "euclidean within P": d["P"],
            "euclidean within Q": d["Q"],
            "mmd within P": 1 - k["P"],
            "mmd within Q": 1 - k["Q"],
        }

    draws = of(counts)
    return {name: _interval(value[0], draws[name], len(P)) for name, value in of(once).items()}


def _weighted(
    matrix: Float64[Tensor, "n n"], weights: Float64[Tensor, "draws n"]
) -> Float64[Tensor, " draws"]:
    """Mean of ``matrix`` over pairs of different contexts, for each row of weights."""
    matrix = matrix - torch.diag(matrix.diagonal())
    pairs = weights.sum(1) ** 2 - (weights**2).sum(1)
    return ((weights @ matrix) * weights).sum(1) / pairs


def _counts(n: int, seed: int) -> Float64[Tensor, "draws {n}"]:
    """How often each of n contexts is drawn, ``[draws, n]``."""
    drawn = torch.randint(n, (DRAWS, n), generator=torch.Generator().manual_seed(seed))
    return torch.zeros(DRAWS, n, dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones(DRAWS, n, dtype=torch.float64)
    )


def _interval(value: Float64[Tensor, ""], draws: Float64[Tensor, " draws"], n: int) -> Interval:
    if n < 2:
        return Interval(value.item(), torch.nan, torch.nan)
    low, high = draws[draws.isfinite()].quantile(
        torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    )
    return Interval(value.item(), low.item(), high.item())
