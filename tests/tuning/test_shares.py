"""Shares and their error, beside a restatement in numpy."""

from dataclasses import replace

import numpy as np
import pytest

from toys.comparisons import made_up
from uncollapse.comparison import Comparison
from uncollapse.tuning.shares import close, scales

N = 5
ARMS = ("base", "personalised", "TEA α 0.2", "TEA α 0.4")


def drawn(figures: np.ndarray) -> Comparison:
    """Of ``[arms, prompts, seeds, 2]`` scores."""
    plain = made_up(clip=dict.fromkeys(ARMS, (0.0, 0.0)))
    flat = iter(figures.reshape(-1, 2).tolist())
    scored = [
        replace(each, scores=dict(zip(("clip_t_context", "clip_i"), next(flat), strict=True)))
        for each in plain.records
    ]
    return replace(plain, records=tuple(scored))


@pytest.fixture
def figures():
    middle = np.array([[30.0, 10.0], [10.0, 90.0], [24.0, 80.0], [25.0, 80.0]])
    return middle[:, None, None] + np.random.default_rng(2).normal(size=(4, N, 2, 2))


def shares(figures, spanned):
    """``[arms, 2]``, between the first arm's context and likeness and the second's."""
    none, whole = np.array([1, 0]), np.array([0, 1])
    mean, whole_mean = figures.mean((1, 2)), spanned.mean((1, 2))
    both = np.arange(2)
    return (mean - mean[none, both]) / (whole_mean[whole, both] - whole_mean[none, both])


def test_shares_lie_between_the_two_models(figures):
    expected = shares(figures, figures)
    found = [[scale.share(arm) for scale in scales([drawn(figures)])] for arm in ARMS]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(found[:2], [[1, 0], [0, 1]], atol=1e-12)


def test_rounds_count_by_their_pictures(figures):
    first, second = figures[:, :, :1], figures[:, :, 1:]
    rounds = [drawn(np.repeat(each, 2, axis=2)) for each in (first, second)]
    np.testing.assert_allclose([s.share(ARMS[2]) for s in scales(rounds)], shares(figures, figures)[2])


@pytest.mark.parametrize("ahead", np.linspace(-3, 3, 13))
def test_close_is_within_one_standard_error_over_the_prompts(figures, ahead):
    figures[3, :, :, 0] += ahead
    left_out = [shares(np.delete(figures, i, axis=1), figures) for i in range(N)]
    d = np.array([each[3].prod() - each[2].prod() for each in left_out])
    behind = shares(figures, figures)[3].prod() - shares(figures, figures)[2].prod()
    error = np.sqrt((N - 1) / N * ((d - d.mean()) ** 2).sum())
    assert 0.005 < error < 0.05
    assert close(ARMS[2], ARMS[3], scales([drawn(figures)]), lambda *pair: pair[0] * pair[1]) == (
        behind <= error
    )
