"""Student's distribution, against scipy's."""

import math

import pytest
from scipy import stats

from uncollapse.evaluation.statistics.student import below, quantile

DF = (1, 2, 3, 4, 9, 30, 101)


@pytest.mark.parametrize("df", DF)
def test_the_share_below_a_value_is_scipys(df):
    for t in (-30.0, -2.3, -0.1, 0.0, 1.0, 5.0):
        assert below(t, df) == pytest.approx(stats.t.cdf(t, df), abs=1e-14)
    assert math.isnan(below(math.nan, df))


@pytest.mark.parametrize("df", DF)
def test_the_value_below_which_a_share_lies_is_scipys(df):
    for share in (0.001, 0.025, 0.8, 0.975, 0.9999):
        assert quantile(share, df) == pytest.approx(stats.t.ppf(share, df), rel=1e-10)
