"""Declared outcomes: Holm's procedure against the closed test that it is a short cut for."""

import itertools
import math

import numpy as np
import pytest

from toys.cells import ARMS, CONTEXT, LIKENESS, cells_of
from uncollapse.evaluation.statistics import Primary, claims, holm, one_sided, sheets

BASELINE, TEA = ARMS
DECLARED = [Primary(CONTEXT, "better"), Primary(LIKENESS, "not worse", margin=2.0)]


def closed(p):
    """Of each claim the largest Bonferroni p of all sets of claims that it belongs to."""
    return [
        max(
            min(1.0, len(chosen) * min(p[j] for j in chosen))
            for size in range(1, len(p) + 1)
            for chosen in itertools.combinations(range(len(p)), size)
            if i in chosen
        )
        for i in range(len(p))
    ]


def test_holms_is_the_closed_test_by_bonferroni():
    for number in range(20):
        p = np.random.default_rng(number).beta(0.3, 1, 5).tolist()
        assert holm(p) == pytest.approx(closed(p))


def test_what_could_not_be_tested_counts_as_a_try():
    assert holm([0.01, math.nan])[0] == 0.02
    assert math.isnan(holm([0.01, math.nan])[1])


def outcome(context, likeness, concepts="abcdefgh"):
    """Cells in which the arm gains so much, give or take a little, of each."""
    return [
        *cells_of(lambda c, a, p, s: (a == TEA) * (context + ord(c) % 3 / 10), concepts),
        *cells_of(lambda c, a, p, s: (a == TEA) * (likeness + ord(c) % 3 / 10), concepts, score=LIKENESS),
    ]


def test_more_context_at_a_likeness_within_the_margin_may_be_claimed():
    better, not_worse = claims(sheets(outcome(1.0, -1.5)), DECLARED, BASELINE)
    assert better.holds
    assert not_worse.holds
    assert not_worse.p == one_sided([*not_worse.gain.differences.values()], 2.0)


def test_a_likeness_beyond_the_margin_may_not_nor_may_less_context():
    better, not_worse = claims(sheets(outcome(-0.1, -2.5)), DECLARED, BASELINE)
    assert not better.holds
    assert not not_worse.holds


def test_every_arm_is_one_more_try():
    one = claims(sheets(outcome(1.0, 0.0)), DECLARED, BASELINE)
    copies = [
        cell.__class__(**{**vars(cell), "arm": f"{cell.arm}, again"})
        for cell in outcome(0.0, 0.0)
        if cell.arm == TEA
    ]
    two = claims(sheets([*outcome(1.0, 0.0), *copies]), DECLARED, BASELINE)
    assert len(one) == 2
    assert len(two) == 4
    assert two[0].p == one[0].p
    assert two[0].adjusted > one[0].adjusted
