"""Krippendorff's alpha, against examples that were worked out by others, and against its definition."""

import itertools
import math

import numpy as np
import pytest

from uncollapse.evaluation.agreement import alpha

_ = None
FOUR_OBSERVERS = [  # Krippendorff 2011, part C: twelve units, some not coded by all; interval: .849
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
THREE_CODERS = [  # the example of Wikipedia's article: fifteen units; interval: .811
    [_, _, _, _, _, 3, 4, 1, 2, 1, 1, 3, 3, _, 3],
    [1, _, 2, 1, 3, 3, 4, 3, _, _, _, _, _, _, _],
    [_, _, 2, 1, 3, 4, 4, _, 2, 1, 1, 3, 3, _, 4],
]


@pytest.mark.parametrize(("ratings", "published"), [(FOUR_OBSERVERS, 0.849), (THREE_CODERS, 0.811)])
def test_it_gives_the_published_figures(ratings, published):
    assert alpha(ratings) == pytest.approx(published, abs=0.0005)


def test_it_is_what_its_definition_says():
    random = np.random.default_rng(0)
    ratings = random.integers(0, 5, (3, 12)).astype(float)
    pairs = [(a - b) ** 2 for item in ratings.T for a, b in itertools.permutations(item, 2)]
    every = [(a - b) ** 2 for a, b in itertools.permutations(ratings.flatten(), 2)]
    assert alpha(ratings.tolist()) == pytest.approx(1 - np.mean(pairs) / np.mean(every))


def test_order_and_scale_do_not_matter():
    turned = [
        [None if each is None else 7 - 2 * each for each in rater[::-1]] for rater in THREE_CODERS[::-1]
    ]
    assert alpha(turned) == pytest.approx(alpha(THREE_CODERS))


def test_opposite_raters_are_worse_than_chance():
    assert alpha([[0, 1, 2, 3], [3, 2, 1, 0]]) < 0


@pytest.mark.parametrize("ratings", [[[1, 1], [1, 1]], [[1, 2]], [[1, _], [_, 2]], [[], []]])
def test_where_nothing_can_be_told_it_says_nothing(ratings):
    assert math.isnan(alpha(ratings))
