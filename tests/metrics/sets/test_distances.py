"""Distances between sets: scipy, scikit-learn, float64 restatements and closed forms are the judges."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, directed_hausdorff, pdist
from scipy.stats import energy_distance
from sklearn.covariance import ledoit_wolf
from sklearn.metrics.pairwise import rbf_kernel

from uncollapse.errors import EmbeddingError
from uncollapse.metrics.sets.covariance import fit_gaussian
from uncollapse.metrics.sets.distances import (
    FORMULAS,
    bandwidth,
    distances,
    energy,
    euclidean,
    gaussian_kl,
    hausdorff,
    mahalanobis,
    mmd,
    pairwise,
    within,
)

torch.manual_seed(0)
P, Q = torch.randn(40, 12), 1.5 * torch.randn(50, 12) + 0.5


def covariance(gaussian):
    return (gaussian.factor @ gaussian.factor.T).numpy()


@pytest.mark.parametrize("shape", [(40, 12), (20, 60), (400, 3)])
def test_the_covariance_is_scikit_learns(shape):
    x = torch.randn(shape, dtype=torch.float64) * torch.linspace(0.1, 3, shape[1])
    expected, shrinkage = ledoit_wolf(x.numpy())
    ours = fit_gaussian(x)
    assert ours.shrinkage == pytest.approx(shrinkage, rel=1e-9)
    np.testing.assert_allclose(covariance(ours), expected, rtol=1e-8, atol=1e-12)
    assert ours.log_det == pytest.approx(np.linalg.slogdet(expected)[1])


def test_a_pooled_covariance_is_about_each_sets_own_mean():
    far = fit_gaussian(P, P.double() + 100)
    np.testing.assert_allclose(covariance(far), covariance(fit_gaussian(P, P)), rtol=1e-6, atol=1e-9)


def test_every_pair_is_scipys_and_equal_vectors_are_at_zero():
    np.testing.assert_allclose(pairwise(P, Q), cdist(P, Q), rtol=1e-12)
    np.testing.assert_allclose(within(Q), pdist(Q), rtol=1e-12)
    far = P + 1e6
    assert pairwise(far, far).diagonal().eq(0).all()


def test_euclidean_and_hausdorff_are_scipys():
    assert euclidean(P, Q) == pytest.approx(cdist(P, Q).mean())
    both_ways = max(directed_hausdorff(P, Q)[0], directed_hausdorff(Q, P)[0])
    assert hausdorff(P, Q) == pytest.approx(both_ways)


def test_energy_is_scipys_without_the_diagonals():
    x, y = torch.randn(30, 1).double(), 1 + 2 * torch.randn(20, 1).double()
    within = [cdist(s, s).mean() / (len(s) - 1) for s in (x, y)]  # what leaving the diagonal out adds
    assert energy(x, y) == pytest.approx(energy_distance(x[:, 0], y[:, 0]) ** 2 - sum(within))


def test_mmd_is_the_sum_over_scikit_learns_kernel():
    h = 2.0
    kernel = {
        k: rbf_kernel(a, b, gamma=1 / (2 * h**2))
        for k, (a, b) in dict(pp=(P, P), qq=(Q, Q), pq=(P, Q)).items()
    }
    inner = sum(
        (kernel[k].sum() - len(kernel[k])) / (len(kernel[k]) * (len(kernel[k]) - 1)) for k in ("pp", "qq")
    )
    assert mmd(P, Q, h=h) == pytest.approx(inner - 2 * kernel["pq"].mean(), rel=1e-5)
    assert mmd(P, Q) == mmd(P, Q, h=bandwidth(Q))
    assert bandwidth(torch.tensor([[0.0], [1.0], [3.0]])) == 2


def test_mahalanobis_and_kl_restated_with_numpy():
    joint = np.concatenate([P - P.mean(0), Q - Q.mean(0)]).astype(np.float64)
    pooled = ledoit_wolf(joint, assume_centered=True)[0]
    apart = (P.double().mean(0) - Q.double().mean(0)).numpy()
    assert mahalanobis(P, Q) == pytest.approx(math.sqrt(apart @ np.linalg.solve(pooled, apart)), rel=1e-6)
    s_p, s_q = (ledoit_wolf(x.double().numpy())[0] for x in (P, Q))
    trace = np.trace(np.linalg.solve(s_q, s_p))
    logs = np.linalg.slogdet(s_q)[1] - np.linalg.slogdet(s_p)[1]
    kl = (trace + apart @ np.linalg.solve(s_q, apart) - 12 + logs) / 24
    assert gaussian_kl(P, Q) == pytest.approx(kl, rel=1e-6)


def test_closed_forms_on_large_samples():
    n = 1500
    a, b = torch.randn(n, 3).double(), torch.randn(n, 3).double() + torch.tensor([2.0, 0, 0])
    assert mahalanobis(a, b) == pytest.approx(2, abs=0.1)
    assert gaussian_kl(a, b) == pytest.approx(4 / 2 / 3, abs=0.08)  # δ²/2, per dimension
    wide = 3 * torch.randn(n, 3).double()
    assert gaussian_kl(wide, a) == pytest.approx((9 - 1 - math.log(9)) / 2, rel=0.12)
    h = 1.0  # E k of x − y ~ N(μ, 2σ²): (h²/(h² + 2σ²))^(D/2) exp(−μ²/(2(h² + 2σ²)))
    expected = 2 * (1 / 3) ** 1.5 * (1 - math.exp(-4 / 6))
    assert mmd(a, b, h=h) == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("name", ["mahalanobis", "kl", "energy", "mmd"])
def test_equal_distributions_are_at_zero(name):
    """Unlike euclidean and hausdorff, which a set has even to itself or to a second sample."""
    a, b = torch.randn(2, 700, 2).double()
    assert FORMULAS[name](a, b) == pytest.approx(0, abs=0.13)
    assert FORMULAS[name](a, b + 1) > 0.2
    shuffled = b[torch.randperm(len(b))]
    assert FORMULAS[name](a, b) == pytest.approx(FORMULAS[name](a, shuffled), abs=1e-9)


def test_unbiased_means_that_n_does_not_matter():
    few = torch.tensor([energy(*torch.randn(2, 10, 4).double()) for _ in range(200)])
    assert abs(few.mean()) < 3 * few.std() / 200**0.5


def test_too_few_for_a_covariance_is_said():
    measured = distances(torch.randn(20, 64), torch.randn(20, 64))
    assert "20 vectors span at most 19 of 64 dimensions" in measured.notes[-1]
    assert distances(P, Q).notes == ()


def test_a_set_without_spread_is_named_and_the_rest_still_measured():
    measured = distances(P, torch.ones(5, 12))
    assert measured.euclidean > 0
    assert math.isnan(measured.mmd)
    assert math.isnan(measured.kl)
    assert any(
        note.startswith("mmd: bandwidth(): most vectors of the set are equal") for note in measured.notes
    )
    assert any(note.startswith("kl: fit_gaussian()") for note in measured.notes)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (torch.ones(1, 4), torch.ones(3, 4), "a set of 1 vector has no spread"),
        (torch.ones(3, 4), torch.ones(3, 5), r"sets are \[3, 4\] and \[3, 5\]"),
        (torch.ones(3), torch.ones(3), r"each must be \[vectors, dim\]"),
        (torch.full((3, 4), torch.nan), torch.ones(3, 4), "NaN or infinity"),
    ],
)
def test_sets_that_cannot_be_compared(first, second, said):
    with pytest.raises(EmbeddingError, match=said):
        distances(first, second)


@settings(max_examples=40)
@given(
    n=st.integers(2, 8),
    m=st.integers(2, 8),
    dim=st.integers(1, 5),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 99),
    half=st.booleans(),
)
def test_whatever_the_sets_every_figure_is_finite_or_explained(n, m, dim, scale, seed, half):
    generator = torch.Generator().manual_seed(seed)
    p, q = (scale * torch.randn(k, dim, generator=generator) for k in (n, m))
    p, q = (p.half(), q.half()) if half else (p, q)
    measured = distances(p, q)
    for name in FORMULAS:
        value = getattr(measured, name)
        assert math.isfinite(value) or any(note.startswith(name) for note in measured.notes)
    units = {"euclidean": 2.0, "hausdorff": 2.0, "energy": 2.0}
    doubled = distances(2 * p, 2 * q)
    for name in FORMULAS:  # in the vectors' units, or without units
        if math.isfinite(getattr(measured, name)):
            assert getattr(doubled, name) == pytest.approx(
                units.get(name, 1.0) * getattr(measured, name), rel=1e-2, abs=1e-6
            )


@pytest.mark.parametrize("name", ["energy", "mmd"])
def test_sentences_that_both_sets_share_are_not_compared_with_themselves(name):
    """P and Q differ by a little noise about the same contexts, as prompts do."""
    contexts = 5 * torch.randn(100, 8).double()
    p, q = (contexts + 0.1 * torch.randn(100, 8).double() for _ in range(2))
    assert getattr(distances(p, q, paired=True), name) == pytest.approx(0, abs=0.01)
    assert getattr(distances(p, q), name) < -0.005
    assert getattr(distances(p, q + 1, paired=True), name) > 0.005
    with pytest.raises(EmbeddingError, match="paired sets hold 100 and 99 vectors"):
        distances(p, q[1:], paired=True)
