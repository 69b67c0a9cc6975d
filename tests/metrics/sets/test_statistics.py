"""Every statistic that is computed is declared, and none besides."""

from dataclasses import fields

from uncollapse.metrics.sets.distances import Distances
from uncollapse.metrics.sets.spread import SetSpread
from uncollapse.metrics.sets.statistics import DISTANCES, SPREADS


def test_every_field_is_declared():
    for declared, kind in ((DISTANCES, Distances), (SPREADS, SetSpread)):
        computed = {each.name for each in fields(kind)} - {"notes"}
        assert {each.name for each in declared} == computed
        assert all(each.title and each.unit for each in declared)


def test_a_curve_has_a_title_of_its_own():
    titles = [each.curve for each in (*DISTANCES, *SPREADS)]
    assert len(set(titles)) == len(titles)
    assert all(title[0].isupper() for title in titles)
