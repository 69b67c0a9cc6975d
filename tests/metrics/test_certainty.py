"""Wilson against scipy, the spread against numpy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from uncollapse.metrics import share, spread_over_seeds


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_a_share_has_wilsons_interval(counts):
    n, kept = counts
    expected = binomtest(kept, n).proportion_ci(method="wilson")
    result = share([True] * kept + [False] * (n - kept))
    assert (result.kept, result.total) == (kept, n)
    assert result.percent == pytest.approx(100 * kept / n)
    assert (result.low, result.high) == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-4)


def test_the_spread_is_that_of_the_seeds_not_of_the_prompts():
    values = np.array([[1.0, 2.0, 3.0], [101.0, 104.0, 101.0]])  # prompts far apart, seeds close
    seeds = [[0, 1, 2], [0, 1, 2]]
    result = spread_over_seeds(list(np.ravel(seeds)), list(values.ravel()))
    assert result.mean == pytest.approx(values.mean())
    assert result.sd == pytest.approx(values.mean(axis=0).std(ddof=1))
    assert result.seeds == 3


def test_a_single_seed_has_no_spread_and_does_not_claim_one():
    result = spread_over_seeds([7, 7], [1.0, 3.0])
    assert math.isnan(result.sd)
    assert str(result) == "2.0"
