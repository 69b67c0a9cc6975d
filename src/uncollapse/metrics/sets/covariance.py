"""A covariance that can be inverted, from fewer sentences than dimensions.

200 sentences say too little about 768 × 768 covariances: the sample covariance S has rank N − 1, and whatever
is divided by it is noise or a constant. Shrinking it toward a round one gives the matrix that is nearest to
the true covariance on average, with no parameter to choose:

    Σ = (1 − λ) S + λ m I,    m = tr S / D
    λ = min(b², d²) / d²,     d² = |S − mI|²/D,    b² = Σ_k |x_k x_kᵀ − S|² / (N² D)

Source: O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
J. Multivariate Analysis 88 (2004), section 3; scikit-learn's ``ledoit_wolf`` is the judge in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import EmbeddingError

if TYPE_CHECKING:
    from jaxtyping import Float, Float64

__all__ = ["Gaussian", "fit_gaussian"]


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian fitted to a set of vectors.

    Args:
        mean: ``[dim]``.
        factor: the lower Cholesky factor of the shrunk covariance, ``[dim, dim]``.
        shrinkage: λ, from 0 (the sample covariance) to 1 (a round one: nothing is left of the data's shape).
        samples: N, how many vectors it was fitted to.
    """

    mean: Float64[Tensor, " dim"]
    factor: Float64[Tensor, "dim dim"]
    shrinkage: float
    samples: int

    @property
    def log_det(self) -> float:
        """ln det Σ, nats."""
        return 2 * self.factor.diagonal().log().sum().item()

    def whiten(self, vectors: Float[Tensor, "n dim"]) -> Float64[Tensor, "n dim"]:
        """``vectors [n, dim]`` in units of standard deviations: distances there are Mahalanobis'."""
        whitened: Tensor = torch.linalg.solve_triangular(self.factor, vectors.double().T, upper=False).T
        return whitened


def fit_gaussian(*sets: Float[Tensor, "_ dim"]) -> Gaussian:
    """Mean and shrunk covariance of a set, or of several sets each about its own mean, pooled.

    Args:
        sets: ``[n, dim]`` each; the mean is the first one's.

    Returns: in float64.
    Raises: EmbeddingError, when there is no spread to fit: fewer than two vectors, or all the same.
    """
    centred = torch.cat([each.double() - each.double().mean(0) for each in sets])
    n, dim = centred.shape
    if min(len(each) for each in sets) < 2 or not centred.any():
        raise EmbeddingError(
            f"fit_gaussian(): {n} vectors without spread (fewer than two, or all the same) have no "
            "covariance. Give sentences that differ."
        )
    sample = centred.T @ centred / n
    scale = sample.diagonal().mean()
    apart = (sample.square().sum() - dim * scale**2) / dim
    scatter = (centred.square().sum(1).square().sum() / n - sample.square().sum()) / (n * dim)
    shrinkage = 1.0 if apart <= 0 else min(max(scatter.item(), 0.0) / apart.item(), 1.0)
    shrunk = (1 - shrinkage) * sample
    shrunk.diagonal().add_(shrinkage * scale)
    factor, failed = torch.linalg.cholesky_ex(shrunk)
    if failed:
        raise EmbeddingError(
            f"fit_gaussian(): the covariance of {n} vectors in {dim} dimensions stays singular after "
            "shrinking: some directions have no spread at all. Give more, and more varied, sentences."
        )
    return Gaussian(sets[0].double().mean(0), factor, shrinkage, n)
