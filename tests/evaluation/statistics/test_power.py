"""Power: components found again in figures made with them, and scipy's noncentral t."""

import math

import numpy as np
import pytest
from scipy import stats

from toys.cells import ARMS, cells_of
from uncollapse.errors import EvaluationError
from uncollapse.evaluation.statistics import (
    Components,
    components,
    detectable,
    power_table,
    sheet,
    standard_error,
)

BASELINE, TEA = ARMS
TRUE = Components(concept=0.5, prompt=1.0, seed=4.0)


def drawn(concepts, prompts, seeds, number=0, lacks=lambda *_: False):
    random = np.random.default_rng(number)
    of = {}

    def value(concept, arm, prompt, seed):
        if lacks(concept, arm, prompt, seed):
            return None
        if arm == BASELINE:
            return 0.0
        for key, variance in ((concept, TRUE.concept), ((concept, prompt), TRUE.prompt)):
            of.setdefault(key, random.normal(0, math.sqrt(variance)))
        return of[concept] + of[concept, prompt] + random.normal(0, math.sqrt(TRUE.seed))

    return sheet(cells_of(value, map(str, range(concepts)), ARMS, [*map(str, range(prompts))], seeds))


def test_components_are_found_again_also_where_figures_are_missing():
    whole = components(drawn(60, 6, 4), TEA, BASELINE)
    lacks = components(drawn(60, 6, 4, lacks=lambda c, a, p, s: s >= 2 and int(p) % 2), TEA, BASELINE)
    for found in (whole, lacks):
        assert (found.concept, found.prompt, found.seed) == pytest.approx((0.5, 1.0, 4.0), abs=0.35)


def test_the_standard_error_is_what_means_of_such_figures_vary_by():
    means = [np.mean([*drawn(4, 3, 2, number).of(TEA).values()]) for number in range(400)]
    assert np.std(means) == pytest.approx(standard_error(TRUE, 4, 3, 2), rel=0.1)


def test_seeds_buy_little_where_concepts_differ():
    """As the published score files have it: 8 seeds or 50, and 9 concepts or 22."""
    varies = Components(concept=0.37, prompt=0.43, seed=4.96)
    errors = [standard_error(varies, 9, 13, seeds) for seeds in (1, 4, 8, 50)]
    assert errors == pytest.approx([0.29, 0.235, 0.224, 0.214], abs=0.006)
    assert standard_error(varies, 22, 13, 8) < 0.7 * errors[2]


@pytest.mark.parametrize("concepts", [5, 9, 22])
def test_the_detectable_gain_is_detected_in_four_of_five_cases(concepts):
    reach = detectable(TRUE, concepts, 3, 2) / standard_error(TRUE, concepts, 3, 2)
    critical = stats.t.ppf(0.975, concepts - 1)
    assert stats.nct.sf(critical, concepts - 1, reach) == pytest.approx(0.8, abs=0.06)


def test_a_single_concept_detects_nothing():
    assert math.isnan(detectable(TRUE, 1, 3, 2))
    with pytest.raises(EvaluationError, match=r"1 concepts, .* at least two of each"):
        components(drawn(1, 3, 2), TEA, BASELINE)
    with pytest.raises(EvaluationError, match="0 prompts have two seeds"):
        components(drawn(3, 3, 1), TEA, BASELINE)


def test_the_table_has_a_row_for_each_choice():
    table = power_table(TRUE, [6, 12], 8, [1, 8], "points")
    assert [row[0] for row in table.rows] == ["6 × 8 × 1", "6 × 8 × 8", "12 × 8 × 1", "12 × 8 × 8"]
    assert [row[1] for row in table.rows] == [48, 384, 96, 768]
    assert "points" in table.notes[0]
