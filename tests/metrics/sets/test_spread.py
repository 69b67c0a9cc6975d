"""Spread within a set, bootstrap intervals over contexts, and what is wrong with the published statistics."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from uncollapse.errors import EmbeddingError
from uncollapse.metrics.sets.bootstrap import mean_interval, set_intervals
from uncollapse.metrics.sets.distances import bandwidth, distances, mmd
from uncollapse.metrics.sets.published import published
from uncollapse.metrics.sets.spread import set_spread

torch.manual_seed(0)
NOISE = torch.randn(60, 6).double()


def test_closed_forms():
    x = torch.randn(1000, 4).double()
    found = set_spread(x)
    assert found.euclidean == pytest.approx(2 * math.gamma(2.5) / math.gamma(2), rel=0.03)  # E|N(0, 2I)|
    assert found.mahalanobis == pytest.approx(math.sqrt(8), rel=0.01)  # √(2D)
    assert found.entropy == pytest.approx(math.log(2 * math.pi * math.e) / 2, abs=0.05)
    assert found.mmd == pytest.approx(1 - (bandwidth(x) ** 2 / (bandwidth(x) ** 2 + 2)) ** 2, rel=0.04)
    line = torch.tensor([[0.0], [1.0], [5.0]])
    assert (set_spread(line).euclidean, set_spread(line).hausdorff) == (pytest.approx(10 / 3), 4)


def test_hausdorffs_is_the_loneliest_members_distance_from_its_nearest():
    between = cdist(NOISE, NOISE) + np.diag([np.inf] * len(NOISE))
    assert set_spread(NOISE).hausdorff == pytest.approx(between.min(1).max())


def test_a_set_half_as_wide_has_half_the_spread():
    whole, half = set_spread(NOISE, NOISE), set_spread(NOISE / 2, NOISE)
    for name in ("euclidean", "hausdorff", "mahalanobis"):
        assert getattr(half, name) == pytest.approx(getattr(whole, name) / 2)
    assert half.entropy == pytest.approx(whole.entropy - math.log(2))
    assert half.mmd < whole.mmd


@pytest.mark.parametrize("name", ["euclidean", "mahalanobis", "mmd"])
def test_more_sentences_give_the_same_figure(name):
    generator = torch.Generator().manual_seed(1)
    reference = torch.randn(500, 8, generator=generator)
    few = [getattr(set_spread(torch.randn(8, 8, generator=generator), reference), name) for _ in range(100)]
    many = getattr(set_spread(torch.randn(800, 8, generator=generator), reference), name)
    assert sum(few) / len(few) == pytest.approx(many, rel=0.05)


def test_no_spread_is_said():
    found = set_spread(torch.ones(5, 3))
    assert found.euclidean == 0
    assert math.isnan(found.mahalanobis)
    assert [note.partition(":")[0] for note in found.notes] == ["mahalanobis", "entropy", "mmd"]


@pytest.mark.parametrize("n", [5, 20])
def test_the_published_mahalanobis_is_a_constant_where_ours_is_not(n):
    for scale in (1, 10):
        x = scale * torch.randn(n, 40).double()
        assert published(x, x).mahalanobis == pytest.approx((n - 1) / math.sqrt(n))
        assert set_spread(x, torch.randn(n, 40).double()).mahalanobis > 2 * scale


def test_the_published_kl_is_blind_to_rotation_and_sees_the_order():
    rotation = torch.linalg.qr(torch.randn(6, 6).double()).Q
    x, y = torch.randn(2, 30, 6).double() + 1
    assert published(x, x @ rotation).kl == pytest.approx(0, abs=1e-12)
    assert distances(x, x @ rotation).kl > 0.1
    shuffled = y[torch.randperm(30)]
    assert abs(published(x, y).kl - published(x, shuffled).kl) > 1e-3
    assert distances(x, y).kl == pytest.approx(distances(x, shuffled).kl, rel=1e-6)


def test_the_published_euclidean_depends_on_n_within_a_set():
    x = NOISE[:5]
    assert published(x, x).euclidean == pytest.approx(set_spread(x).euclidean * 4 / 5)
    assert published(x, x).hausdorff == 0
    with pytest.raises(EmbeddingError, match="5 and 60 vectors"):
        published(x, NOISE)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    generator = torch.Generator().manual_seed(2)
    intervals = [mean_interval(torch.randn(50, generator=generator), seed=i) for i in range(200)]
    covered = sum(each.low <= 0 <= each.high for each in intervals) / 200
    assert 0.89 < covered < 0.98
    ratio = mean_interval(torch.tensor([2.0, 4.0]), torch.tensor([1.0, 2.0]))
    assert (ratio.value, ratio.low, ratio.high) == (2, 2, 2)
    assert math.isnan(mean_interval(torch.tensor([1.0])).low)


def test_intervals_of_set_statistics():
    p, q = NOISE, NOISE + 0.5 * torch.randn(60, 6).double() + 1
    found, measured = set_intervals(p, q), distances(p, q, paired=True)
    for name in ("euclidean", "energy", "mmd"):
        assert found[name].value == pytest.approx(getattr(measured, name))
        assert found[name].low < found[name].value < found[name].high
    assert found["euclidean within P"].value == pytest.approx(set_spread(p).euclidean)
    assert found["mmd within Q"].value == pytest.approx(set_spread(q).mmd)
    assert found == set_intervals(p, q)


def test_a_context_drawn_twice_is_not_compared_with_itself():
    """Otherwise the resampled spread would lie below the sample's by one part in N."""
    spread = set_intervals(NOISE[:12], NOISE[12:24])["euclidean within P"]
    assert spread.low < spread.value < spread.high
    assert (spread.low + spread.high) / 2 == pytest.approx(spread.value, rel=0.05)
    assert mmd(NOISE[:12], NOISE[12:24], paired=True) == pytest.approx(
        set_intervals(NOISE[:12], NOISE[12:24])["mmd"].value
    )
