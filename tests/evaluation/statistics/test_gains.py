"""Gains over a baseline: scipy's intervals and tests over concept means, and small cases by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from toys.cells import ARMS, PROMPTS, cells_of, random_cells
from toys.registries import as_it_was
from uncollapse.evaluation.statistics import gain, level, one_sided, sheet, sign_flip, t_interval
from uncollapse.metrics import SCORES, Score, declare

BASELINE, TEA = ARMS


def test_the_interval_is_students_over_concept_means():
    cells = random_cells(concepts=6)
    names = [f"concept {i}" for i in range(6)]
    means = {
        arm: np.array([np.mean([c.value for c in cells if (c.arm, c.concept) == (arm, n)]) for n in names])
        for arm in ARMS
    }
    for found, values in (
        (level(sheet(cells), TEA).interval, means[TEA]),
        (gain(sheet(cells), TEA, BASELINE).interval, means[TEA] - means[BASELINE]),
    ):
        low, high = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
        assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))


def test_more_seeds_are_not_more_concepts():
    """Every picture ten times over is no better known."""
    once = sheet(cells_of(lambda c, a, p, s: len(c) + len(p) * (a == TEA), seeds=1))
    often = sheet(cells_of(lambda c, a, p, s: len(c) + len(p) * (a == TEA), seeds=10))
    assert gain(once, TEA, BASELINE).interval == gain(often, TEA, BASELINE).interval


def test_prompts_weigh_alike_however_many_seeds_are_missing():
    def value(concept, arm, prompt, seed):
        return None if prompt == PROMPTS[0] and seed else 10.0 * (arm == TEA) * (prompt == PROMPTS[0])

    found = gain(sheet(cells_of(value, seeds=5)), TEA, BASELINE)
    assert found.interval.value == 5.0
    assert (found.pairs, found.missing) == (18, 12)


def test_a_pair_of_which_one_is_missing_is_in_no_figure_and_is_counted():
    whole = cells_of(lambda c, a, p, s: float(s) + (a == TEA), seeds=3)
    lacks = cells_of(
        lambda c, a, p, s: (
            None if (c, a, s) == ("dog", TEA, 2) else 99.0 if s == 2 and c == "dog" else s + (a == TEA)
        ),
        seeds=3,
    )
    found = gain(sheet(lacks), TEA, BASELINE)
    assert (found.interval.value, found.pairs, found.missing) == (1.0, 16, 2)
    assert gain(sheet(whole), TEA, BASELINE).missing == 0


def test_what_it_counts():
    gains = {"cat": 2.0, "dog": -1.0, "teapot": 0.0}
    found = gain(sheet(cells_of(lambda c, a, p, s: gains[c] * (a == TEA))), TEA, BASELINE)
    assert (found.better, found.worse, found.units, found.over) == (1, 1, 3, "concepts")
    assert found.wins == 0.5
    assert found.effect == pytest.approx((1 / 3) / np.std([2, -1, 0], ddof=1))
    assert dict(found.differences) == gains


def test_where_less_is_better_so_is_the_count():
    with as_it_was(SCORES):
        declare(Score("toy_distance", "distance", "px", answers="quality", higher_is_better=False))
        cells = cells_of(lambda c, a, p, s: -1.0 * (a == TEA), score="toy_distance|v1")
        found = gain(sheet(cells), TEA, BASELINE)
    assert (found.better, found.worse, found.wins) == (3, 0, 1.0)


def test_of_one_concept_it_is_over_prompts():
    found = gain(sheet(cells_of(lambda c, a, p, s: len(p) * (a == TEA), concepts=["cat"])), TEA, BASELINE)
    assert (found.over, found.units) == ("prompts", 2)
    assert found.interval == t_interval([*map(len, PROMPTS)])


def test_of_one_unit_or_none_nothing_is_sure():
    one = gain(sheet(cells_of(lambda *_: 1.0, concepts=["cat"], prompts=["{}"])), TEA, BASELINE)
    assert math.isnan(one.interval.low)
    assert math.isnan(one.effect)
    none = gain(sheet(cells_of(lambda c, a, p, s: None if a == TEA else 1.0)), TEA, BASELINE)
    assert all(map(math.isnan, (none.interval.value, none.p, none.wins)))
    assert none.missing == 12


@pytest.mark.parametrize("n", [1, 2, 6, 9])
def test_the_sign_flip_test_is_scipys(n):
    for number in range(4):
        d = np.random.default_rng(number).normal(0.5, 1, n).round(1)  # with ties
        every = [
            abs(np.dot(signs, d)) >= abs(d.sum()) - 1e-9 for signs in itertools.product([1, -1], repeat=n)
        ]
        assert sign_flip(d) == pytest.approx(np.mean(every))
        if n > 1:
            scipys = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
            assert sign_flip(d) == pytest.approx(scipys.pvalue)


def test_of_thirty_concepts_that_all_gain_one_choice_of_signs_and_its_opposite_are_left():
    assert sign_flip([1.0] * 30) == pytest.approx(2 / 2**30)
    assert sign_flip([0.0] * 30) == 1.0


def test_of_more_concepts_than_can_be_tried_a_sample_says_about_the_same():
    d = np.random.default_rng(0).normal(0.25, 1, 50)
    normal = 2 * stats.norm.sf(abs(d.sum()) / np.sqrt((d**2).sum()))
    assert sign_flip(d) == pytest.approx(normal, abs=0.01)
    assert sign_flip([1.0] * 50) == pytest.approx(1 / 100_001)


@pytest.mark.parametrize("margin", [0.0, 0.8])
def test_the_one_sided_test_is_scipys(margin):
    d = np.random.default_rng(1).normal(0, 1, 7)
    expected = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
    assert one_sided(d.tolist(), margin) == pytest.approx(expected)


def test_the_one_sided_test_of_figures_that_do_not_vary():
    assert one_sided([1.0, 1.0]) == 0.0
    assert one_sided([0.0, 0.0]) == 1.0
    assert math.isnan(one_sided([1.0]))


@pytest.mark.slow
@pytest.mark.parametrize("concepts", [6, 9, 22])
def test_intervals_hold_the_truth_as_often_as_they_say(concepts):
    """Of 1,000 runs whose concepts, prompts and seeds all vary."""
    held = 0
    for number in range(1000):
        found = gain(sheet(random_cells(concepts, 4, 2, gain=1.0, number=number)), TEA, BASELINE).interval
        held += found.low <= 1.0 <= found.high
    assert 930 <= held <= 970
