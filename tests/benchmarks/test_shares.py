"""Shares over concepts: a concept counts once, and so does each of its trainings."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

FILE = Path(__file__).parents[2] / "benchmarks" / "shares.py"
spec = importlib.util.spec_from_file_location("shares", FILE)
shares = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shares)


def pictures(arm: str, concept: str, training: int, context: str, likeness: str) -> list[dict]:
    """A record for each pair of marks, "1" for kept."""
    return [
        {
            "arm": arm,
            "concept": concept,
            "training": training,
            "context_kept": c == "1",
            "identity_kept": x == "1",
        }
        for c, x in zip(context, likeness, strict=True)
    ]


def test_a_training_of_few_pictures_counts_as_much_as_one_of_many():
    found = shares.Shares(pictures("a", "cat", 0, "1111", "1100") + pictures("a", "cat", 1, "0", "1"))
    assert found.mean("a", "context kept") == 0.5
    assert found.mean("a", "likeness kept") == 0.75
    assert found.mean("a", "both") == 0.25
    assert found.pictures == {"a": 5}


def test_intervals_are_students_over_concepts():
    marks = {"cat": "1100", "dog": "1000", "car": "1111"}
    found = shares.Shares([r for name, m in marks.items() for r in pictures("a", name, 0, m, "1111")])
    means = [0.5, 0.25, 1.0]
    expected = stats.t.interval(0.95, 2, np.mean(means), stats.sem(means))
    assert found.interval(found.found["a", "context kept"]) == pytest.approx(expected)


def test_a_difference_is_paired_and_left_out_where_one_arm_is_missing():
    marks = {"cat": ("10", "11"), "dog": ("00", "10"), "car": ("11", "11")}
    records = [
        record
        for name, both in marks.items()
        for arm, m in zip("ab", both, strict=True)
        for record in pictures(arm, name, 0, m, "11")
    ]
    found = shares.Shares(records + pictures("a", "robot", 0, "00", "00"))
    mean, _, p = found.gain("b", "both", "a")
    differences = np.array([0.5, 0.5, 0.0])
    flips = [abs(np.mean(differences * signs)) for signs in itertools.product((1, -1), repeat=3)]
    assert mean == pytest.approx(differences.mean())
    assert p == pytest.approx(np.mean(np.array(flips) >= mean - 1e-12))


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0.2, 1.0), (1.0, 0.5)], 0.6),  # half at all of the context, half at a fifth
        ([(0.2, 1.0), (1.0, 0.5), (0.4, 0.4)], 0.6),  # worse in both: nothing more
        ([(1.0, 1.0)], 1.0),
        ([(0.0, 1.0)], 0.0),
    ],
)
def test_the_area_is_what_the_best_points_cover(points, expected):
    assert shares.area(points) == pytest.approx(expected)
