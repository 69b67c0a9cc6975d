"""How far apart two sets of sentence vectors are: P, "V* in the snow, …", and Q, the same with the anchor.

    euclidean    mean over all pairs of |p − q|
    hausdorff    the larger of max_p min_q |p − q| and max_q min_p |p − q|
    mahalanobis  |Σ^(−1/2) (mean P − mean Q)|, Σ the sets' pooled, shrunk covariance
    kl           KL(N_P ‖ N_Q) of Gaussians fitted to each, per dimension
    energy       2 E|p − q| − E|p − p'| − E|q − q'|
    mmd          E k(p, p') + E k(q, q') − 2 E k(p, q),   k(x, y) = exp(−|x − y|² / 2h²)

E is the mean over pairs of *different* members (a U-statistic): the zero diagonal would add a term that
depends on N. So energy and mmd are unbiased, and come out a little below 0 now and then when the sets are
alike. Where P and Q hold the same sentences (``paired``), a sentence is not compared with itself across the
sets either: the two share their context, and all energies of real prompts would come out negative.

Each says when it says nothing: a result is a number, or ``nan`` with a sentence in ``notes``.
The published definitions, which differ, are in ``published.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import EmbeddingError
from .covariance import fit_gaussian

if TYPE_CHECKING:
    from jaxtyping import Float, Float64

__all__ = [
    "Distances",
    "bandwidth",
    "distances",
    "energy",
    "euclidean",
    "gaussian_kl",
    "hausdorff",
    "mahalanobis",
    "mmd",
    "off_diagonal_mean",
    "pairwise",
    "within",
]


@dataclass(frozen=True)
class Distances:
    """The six distances between two sets.

    Args:
        euclidean, hausdorff, energy: in the units of the vectors.
        mahalanobis: in standard deviations.
        kl: nats per dimension.
        mmd: unitless, 0 to 2: a squared distance in the kernel's feature space.
        notes: what cannot be relied on, and why.
    """

    euclidean: float
    hausdorff: float
    mahalanobis: float
    kl: float
    energy: float
    mmd: float
    notes: tuple[str, ...] = ()


def distances(P: Tensor, Q: Tensor, paired: bool = False) -> Distances:
    """All six, with notes on those that are degenerate.

    Args:
        P, Q: ``[n, dim]`` and ``[m, dim]``, n and m at least 2.
        paired: row i of both is one sentence, as in P_V* and P_c.

    Raises: EmbeddingError, for sets of another shape, too small, or not finite.
    """
    P, Q = check_sets(P, Q, paired=paired)
    values, notes = {}, []
    for name, measure in FORMULAS.items():
        try:
            values[name] = measure(P, Q, **({"paired": paired} if name in OVER_PAIRS else {}))
        except EmbeddingError as error:
            values[name] = torch.nan
            notes.append(f"{name}: {error}")
    n, dim = min(len(P), len(Q)), P.shape[-1]
    if n - 1 < dim:
        notes.append(
            f"kl, mahalanobis: {n} vectors span at most {n - 1} of {dim} dimensions, so the covariance is "
            "partly the shrinkage's. Compare them between sets of the same size only."
        )
    return Distances(**values, notes=tuple(notes))


def euclidean(P: Float[Tensor, "n dim"], Q: Float[Tensor, "m dim"], paired: bool = False) -> float:
    """Mean distance of a vector of P from one of Q.

    Not 0 between equal sets, but their spread: it cannot tell sets apart, only how far they lie. Source:
    arXiv:2506.22685, whose d(P, Q) it is.
    """
    return mean_between(pairwise(P, Q), paired).item()


def hausdorff(P: Float[Tensor, "n dim"], Q: Float[Tensor, "m dim"]) -> float:
    """The farthest that a vector of either set is from the nearest of the other.

    One outlier decides it, and it grows with N. Source: F. Hausdorff, "Grundzüge der Mengenlehre", 1914;
    ``scipy.spatial.distance.directed_hausdorff``, both ways.
    """
    between = pairwise(P, Q)
    return max(between.min(1).values.max(), between.min(0).values.max()).item()


def mahalanobis(P: Float[Tensor, "n dim"], Q: Float[Tensor, "m dim"]) -> float:
    """Distance of the means, in standard deviations of the sets about their means.

    Raises: EmbeddingError, where neither set has any spread.
    Source: P. C. Mahalanobis, 1936; the covariance is pooled and shrunk (``covariance.py``).
    """
    pooled = fit_gaussian(P, Q)
    return float(pooled.whiten((P.double().mean(0) - Q.double().mean(0))[None]).norm())


def gaussian_kl(P: Float[Tensor, "n dim"], Q: Float[Tensor, "m dim"]) -> float:
    """KL divergence of the Gaussians fitted to P and Q, per dimension.

        KL = ½ [tr(Σ_Q⁻¹ Σ_P) + δᵀ Σ_Q⁻¹ δ − D + ln det Σ_Q − ln det Σ_P] / D,   δ = mean Q − mean P

    Returns: nats per dimension, 0 for equal sets. Not symmetric: P is measured by what Q makes probable.
    Raises: EmbeddingError, where a set has no spread.
    Source: S. Kullback, "Information Theory and Statistics", 1959, chapter 9; shrunk covariances.
    """
    p, q = fit_gaussian(P), fit_gaussian(Q)
    trace = torch.linalg.solve_triangular(q.factor, p.factor, upper=False).square().sum()
    apart = q.whiten((q.mean - p.mean)[None]).square().sum()
    dim = len(p.mean)
    return (float(trace + apart) - dim + q.log_det - p.log_det) / (2 * dim)


def energy(P: Float[Tensor, "n dim"], Q: Float[Tensor, "m dim"], paired: bool = False) -> float:
    """Energy distance, unbiased; 0 on average if and only if the distributions are the same.

    Source: G. J. Székely and M. L. Rizzo, J. Statistical Planning and Inference 143 (2013), section 2.
    ``scipy.stats.energy_distance`` is its root, in one dimension, with the diagonals left in.
    """
    inner = within(P).mean() + within(Q).mean()
    return (2 * mean_between(pairwise(P, Q), paired) - inner).item()


def mmd(
    P: Float[Tensor, "n dim"], Q: Float[Tensor, "m dim"], paired: bool = False, h: float | None = None
) -> float:
    """Squared maximum mean discrepancy, unbiased, with a Gaussian kernel.

    Args:
        h: the kernel's width, in the units of the vectors; None for Q's own (``bandwidth``), so that what is
            measured against one Q is measured alike.

    Raises: EmbeddingError, where Q has no spread and so no width.
    Source: A. Gretton and others, J. Machine Learning Research 13 (2012), lemma 6; paired, its equation 4.
    """
    h = h or bandwidth(Q)
    inner = kernel(within(P), h).mean() + kernel(within(Q), h).mean()
    return (inner - 2 * mean_between(kernel(pairwise(P, Q), h), paired)).item()


FORMULAS: dict[str, Callable[..., float]] = {
    "euclidean": euclidean,
    "hausdorff": hausdorff,
    "mahalanobis": mahalanobis,
    "kl": gaussian_kl,
    "energy": energy,
    "mmd": mmd,
}
OVER_PAIRS = ("euclidean", "energy", "mmd")


def bandwidth(Q: Float[Tensor, "m dim"]) -> float:
    """The median distance between different members of Q.

    Raises: EmbeddingError, when it is 0: half of all pairs, or more, are equal.
    Source: the "median heuristic" of Gretton and others, 2012, section 8.
    """
    median = within(Q).median().item()
    if median == 0:
        raise EmbeddingError(
            "bandwidth(): most vectors of the set are equal, so the kernel has no width. Give sentences that "
            "differ."
        )
    return median


def pairwise(P: Float[Tensor, "n dim"], Q: Float[Tensor, "m dim"]) -> Float64[Tensor, "n m"]:
    """|p − q| for every pair, ``[n, m]``, in float64, from differences (exact for equal vectors).

    By way of all pairs of both sets: ``pdist`` is so much faster than ``cdist`` that it takes half the time.
    """
    n, m, d = len(P), len(Q), within(torch.cat([P, Q]))
    square = d.new_zeros(n + m, n + m)
    rows, columns = torch.triu_indices(n + m, n + m, 1)
    square[rows, columns] = d
    return square[:n, n:]


def within(P: Float[Tensor, "n dim"]) -> Float64[Tensor, " pairs"]:
    """|p − p'| for every pair of different members, each pair once, ``[n (n − 1) / 2]``, in float64."""
    return torch.pdist(P.double())


def kernel(d: Float64[Tensor, "*pairs"], h: float) -> Float64[Tensor, "*pairs"]:
    """The Gaussian kernel of vectors at distance ``d``."""
    return torch.exp(-d.square() / (2 * h**2))


def mean_between(matrix: Float64[Tensor, "n m"], paired: bool) -> Float64[Tensor, ""]:
    """Mean over pairs of two sets; where they are paired, without each sentence's own pair."""
    return off_diagonal_mean(matrix) if paired else matrix.mean()


def off_diagonal_mean(square: Float64[Tensor, "n n"]) -> Float64[Tensor, ""]:
    """Mean of a square matrix without its diagonal."""
    n = len(square)
    return (square.sum() - square.diagonal().sum()) / (n * (n - 1))


def check_sets(*sets: Tensor, paired: bool = False) -> list[Float64[Tensor, "_ dim"]]:
    """The sets in float64, if they can be compared.

    Raises: EmbeddingError.
    """
    if paired and len({len(each) for each in sets}) > 1:
        counts = " and ".join(str(len(each)) for each in sets)
        raise EmbeddingError(
            f"distances(): paired sets hold {counts} vectors, but row i of both must be one sentence. Encode "
            "the same sentences for both, or pass paired=False."
        )
    for each in sets:
        if each.ndim != 2 or each.shape[-1] != sets[0].shape[-1]:
            shapes = " and ".join(str(list(one.shape)) for one in sets)
            raise EmbeddingError(
                f"distances(): the sets are {shapes}, but each must be [vectors, dim] with the same dim. "
                "Encode both with one text encoder."
            )
        if len(each) < 2:
            raise EmbeddingError(
                f"distances(): a set of {len(each)} vector has no spread. Give at least two sentences; "
                "intervals want fifty or more."
            )
        if not each.isfinite().all():
            raise EmbeddingError(
                "distances(): a set holds NaN or infinity, so no distance means anything. Encode in float32."
            )
    return [each.detach().cpu().double() for each in sets]
