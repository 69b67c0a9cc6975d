"""How spread out one set of sentence vectors is, in the measures of ``distances.py``.

A concept that drowns out its context makes all sentences alike: the spread falls. Beside the anchor's set Q:

    euclidean    mean |p − p'| over different members; half of the energy distance's inner terms
    hausdorff    the farthest that a member is from its nearest neighbour
    mahalanobis  root mean square of |Σ^(−1/2) (p − p')|, likewise, Σ the covariance of *Q*, shrunk
    entropy      ½ ln det(2πe Σ_P) / D, of the Gaussian fitted to P
    mmd          1 − mean k(p, p') over different members: the variance in the kernel's feature space

Mahalanobis' needs a yardstick from elsewhere. By P's own sample covariance the spread is √(2D), or
√(2(N − 1)) where N ≤ D, whatever the data: noise has it too. Every measure leaves the zero diagonal out,
so that twice as many sentences give the same figure, but for hausdorff, which falls as sentences are added.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import EmbeddingError
from .covariance import fit_gaussian
from .distances import bandwidth, check_sets, kernel, within

if TYPE_CHECKING:
    from jaxtyping import Float64

__all__ = ["SetSpread", "set_spread"]


@dataclass(frozen=True)
class SetSpread:
    """The spread of one set, by a reference set's yardsticks.

    Args:
        euclidean, hausdorff: in the units of the vectors.
        mahalanobis: in standard deviations of the reference; √(2D) on average for the reference itself were
            its covariance known, less where it is shrunk.
        entropy: nats per dimension; meaningful as a difference between sets of the same size.
        mmd: unitless, 0 to 1.
        notes: what cannot be relied on, and why.
    """

    euclidean: float
    hausdorff: float
    mahalanobis: float
    entropy: float
    mmd: float
    notes: tuple[str, ...] = ()


def set_spread(P: Tensor, reference: Tensor | None = None) -> SetSpread:
    """How spread out ``P [n, dim]`` is.

    Args:
        reference: ``[m, dim]``, whose covariance and kernel width are the yardsticks; None for P itself.

    Raises: EmbeddingError, for sets of another shape, too small, or not finite.
    """
    P, Q = check_sets(P, P if reference is None else reference)
    notes: list[str] = []
    d = within(P)

    def unless_degenerate(name: str, value: Callable[[], Tensor]) -> float:
        try:
            return float(value())
        except EmbeddingError as error:
            notes.append(f"{name}: {error}")
            return torch.nan

    def mahalanobis() -> Tensor:
        whitened = fit_gaussian(Q).whiten(P)
        return within(whitened).square().mean().sqrt()

    def entropy() -> Tensor:
        return torch.tensor(math.log(2 * math.pi * math.e) / 2 + fit_gaussian(P).log_det / (2 * P.shape[-1]))

    return SetSpread(
        euclidean=d.mean().item(),
        hausdorff=_nearest(d, len(P)).max().item(),
        mahalanobis=unless_degenerate("mahalanobis", mahalanobis),
        entropy=unless_degenerate("entropy", entropy),
        mmd=unless_degenerate("mmd", lambda: 1 - kernel(d, bandwidth(Q)).mean()),
        notes=tuple(notes),
    )


def _nearest(d: Float64[Tensor, " pairs"], n: int) -> Float64[Tensor, " {n}"]:
    """How far each of n members is from its nearest neighbour, ``[n]``."""
    first, second = torch.triu_indices(n, n, 1)
    return d.new_full((n,), torch.inf).scatter_reduce(0, torch.cat([first, second]), d.repeat(2), "amin")
