"""The bootstrap in two levels: what it keeps together, and its areas and ratios by hand."""

import math

import numpy as np
import pytest

from uncollapse.evaluation.statistics import area_under_front, front, kept, two_level
from uncollapse.evaluation.statistics.clusters import _areas


def column(value, concepts=6, prompts=5, seeds=2):
    """Figures by place."""
    return {
        (f"c{c}", f"p{p}", s): value(c, p, s)
        for c in range(concepts)
        for p in range(prompts)
        for s in range(seeds)
    }


def test_arms_of_a_prompt_stay_together():
    """A ratio that is the same at every prompt has no spread, however much the prompts differ."""
    ours = column(lambda c, p, s: 3.0 * (1 + c * p))
    theirs = column(lambda c, p, s: 4.0 * (1 + c * p))
    found = kept(ours, theirs)
    assert (found.value, found.low, found.high) == pytest.approx((0.75, 0.75, 0.75))


def test_seeds_of_a_prompt_stay_together():
    found = two_level([column(lambda c, p, s: 10.0 * s)], lambda means: means[:, 0])
    assert (found.value, found.low, found.high) == (5.0, 5.0, 5.0)


def test_concepts_and_prompts_both_spread_it():
    random = np.random.default_rng(0)
    of_concept, of_prompt = random.normal(size=30), random.normal(size=(30, 12))
    both = two_level([column(lambda c, p, s: of_concept[c] + of_prompt[c, p], 30, 12)], lambda m: m[:, 0])
    means = of_concept + of_prompt.mean(1)
    expected = 2 * 1.96 * math.sqrt((means.var() + of_prompt.var(1).mean() / 12) / 30)
    assert both.high - both.low == pytest.approx(expected, rel=0.1)
    assert both.value == pytest.approx(means.mean())


def test_it_repeats_itself_and_the_seed_changes_it():
    values = [column(lambda c, p, s: math.sin(c * 7 + p))]
    first, again, other = (two_level(values, lambda m: m[:, 0], seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_prompt_that_one_arm_lacks_counts_for_none():
    whole = column(lambda c, p, s: 1.0 + 100 * (p == 0))
    lacks = {place: 2.0 for place in whole if place[1] != "p0"}
    assert kept(lacks, whole).value == pytest.approx(2.0)
    assert math.isnan(kept({}, whole).value)


def test_of_one_prompt_nothing_is_sure():
    found = kept(column(lambda *_: 1.0, 1, 1), column(lambda *_: 2.0, 1, 1))
    assert found.value == 0.5
    assert math.isnan(found.low)


def test_the_area_is_that_of_the_squares_below_the_points():
    def counted(xs, ys):
        middles = np.arange(0.05, 10, 0.1)
        return sum(
            any(x >= a and y >= b for x, y in zip(xs, ys, strict=True)) for a in middles for b in middles
        ) / 100  # fmt: skip

    random = np.random.default_rng(2)
    xs, ys = random.integers(0, 100, (2, 5)) / 10
    assert _areas(xs[None], ys[None])[0] == pytest.approx(counted(xs, ys))
    assert _areas(np.array([[-3.0, 2.0]]), np.array([[9.0, 4.0]]))[0] == 8.0


def test_the_area_of_arms_and_the_front():
    contexts = [column(lambda *_, x=x: x) for x in (2.0, 5.0, 1.0)]
    likenesses = [column(lambda *_, y=y: y) for y in (6.0, 3.0, 1.0)]
    assert area_under_front(contexts, likenesses).value == pytest.approx(2 * 6 + 3 * 3)
    assert front([(2.0, 6.0), (5.0, 3.0), (1.0, 1.0), (5.0, 3.0)]) == [0, 1, 3]
