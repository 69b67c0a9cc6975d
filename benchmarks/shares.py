"""Shares of pictures over concepts: means, intervals and paired tests, for what draws the same many ways.

Pictures of one concept are not independent, so a concept counts once: the mean of its trainings, each the
mean of its pictures. Intervals are Student's over concepts, tests flip the signs of their differences, all
flips. A concept that an arm has not drawn yet is left out of what is said of that arm.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from uncollapse.evaluation.statistics import sign_flip, t_interval

OUTCOMES = ("context kept", "likeness kept", "both")


class Shares:
    """Of each arm and concept: the share of pictures, ``[concepts]``, for each outcome.

    Args:
        records: each with ``arm``, ``concept``, ``context_kept``, ``identity_kept``, and ``training`` where a
            concept has several.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        grouped: dict[tuple, dict[Any, list[tuple[bool, ...]]]] = defaultdict(lambda: defaultdict(list))
        for record in records:
            context, likeness = bool(record["context_kept"]), bool(record["identity_kept"])
            group = grouped[record["arm"], record["concept"]]
            group[record.get("training")].append((context, likeness, context and likeness))
        self.arms = list(dict.fromkeys(arm for arm, _ in grouped))
        self.concepts = sorted({concept for _, concept in grouped})
        self.pictures = dict.fromkeys(self.arms, 0)
        self.found = {
            (arm, outcome): np.full(len(self.concepts), np.nan)
            for arm, outcome in product(self.arms, OUTCOMES)
        }
        for (arm, concept), trainings in grouped.items():
            self.pictures[arm] += sum(map(len, trainings.values()))
            means = np.mean([np.mean(each, axis=0) for each in trainings.values()], axis=0)
            for outcome, mean in zip(OUTCOMES, means, strict=True):
                self.found[arm, outcome][self.concepts.index(concept)] = mean

    def mean(self, arm: str, outcome: str) -> float:
        return float(np.nanmean(self.found[arm, outcome]))

    def interval(self, values: np.ndarray) -> tuple[float, float]:
        """Student's 95 % interval of the mean over concepts."""
        return interval(values[~np.isnan(values)])

    def gain(self, arm: str, outcome: str, over: str) -> tuple[float, tuple[float, float], float]:
        """Paired difference to another arm, its interval, and the exact sign-flip test's p."""
        return paired(self.found[arm, outcome] - self.found[over, outcome])

    def cell(self, arm: str, outcome: str) -> str:
        """Mean and interval, in per cent."""
        return interval_text(self.mean(arm, outcome), self.interval(self.found[arm, outcome]))


def interval(values: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of the mean; of fewer than two values none is known."""
    found = t_interval(values.tolist())
    return found.low, found.high


def paired(differences: np.ndarray) -> tuple[float, tuple[float, float], float]:
    """Of differences, one a concept: their mean, its interval, and the exact sign-flip test's p."""
    known = differences[~np.isnan(differences)]
    found = t_interval(known.tolist())
    p = sign_flip(known.tolist()) if len(known) > 1 else float("nan")
    return found.value, (found.low, found.high), p


def area(points: Sequence[tuple[float, float]]) -> float:
    """How much of the unit square some point is better than in both figures; 1 where one point has all.

    The staircase under (context, likeness) points: what can be had of one for each share of the other.
    """
    covered, reached = 0.0, 0.0
    for context, likeness in sorted(points, reverse=True):
        covered += context * max(0.0, likeness - reached)
        reached = max(reached, likeness)
    return covered


def interval_text(mean: float, interval: tuple[float, float], sign: str = "") -> str:
    """In per cent."""
    low, high = (100 * x for x in interval)
    return f"{100 * mean:{sign}.0f} [{low:{sign}.0f} to {high:{sign}.0f}]"
