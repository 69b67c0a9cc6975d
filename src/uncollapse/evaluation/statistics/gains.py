"""What an arm scores, and what it gains over a baseline at the same concepts, prompts and seeds.

Pictures of one concept are not independent, so intervals are over concepts: seeds are averaged within their
prompt, prompts within their concept, and over the n concept means d₁ … dₙ

    mean ± t(0.975; n−1) · s/√n                      Student's 95 % interval
    p = share of the 2ⁿ choices of signs ±dᵢ whose mean is at least as far from 0      exact sign-flip test
    d_z = mean/s                                     effect size

Of a single concept the same is done over its prompts, and says no more than "of these prompts".
Source of the test: R. A. Fisher, "The Design of Experiments", 1935, section 21.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

import numpy as np

from ...metrics.sets.bootstrap import Interval
from ..identities import declared_score
from .sheets import Place, Sheet, prompt_means
from .student import below, quantile

__all__ = ["Gain", "Level", "gain", "level", "one_sided", "sign_flip", "t_interval"]

Over = Literal["concepts", "prompts"]
EXACT = 40  # units up to which all signs are tried; beyond it a sample of them is
DRAWS = 100_000


@dataclass(frozen=True)
class Level:
    """What an arm scores.

    Args:
        arm: its name.
        interval: the mean over units with Student's 95 % interval; from nan to nan for a single unit.
        units: how many concepts, or prompts of one concept.
        over: which of the two they are.
        pictures: that have a figure.
        missing: that have none.
    """

    arm: str
    interval: Interval
    units: int
    over: Over
    pictures: int
    missing: int


@dataclass(frozen=True)
class Gain:
    """What an arm gains over a baseline.

    Args:
        arm, baseline: their names.
        interval: mean paired difference over units, with Student's 95 % interval.
        units: how many concepts, or prompts of one concept.
        over: which of the two they are.
        p: of the exact sign-flip test, two-sided.
        effect: d_z, the mean over the standard deviation of the units' differences; nan for a single unit.
        better, worse: how many units the arm is better or worse at, as the score's direction is.
        wins: the share of pairs, of one prompt and one seed, in which the arm is better; a tie is half.
        pairs: in which both have a figure.
        missing: pairs in which one of them, or both, has none: they are in none of the other figures.
        differences: the units' mean differences, by concept, or by prompt of a single concept.
    """

    arm: str
    baseline: str
    interval: Interval
    units: int
    over: Over
    p: float
    effect: float
    better: int
    worse: int
    wins: float
    pairs: int
    missing: int
    differences: Mapping[str, float]


def level(sheet: Sheet, arm: str) -> Level:
    """What an arm scores.

    Raises: EvaluationError, for an arm that is not there.
    """
    values = sheet.of(arm)
    over, units = _units(sheet, values)
    return Level(arm, t_interval([*units.values()]), len(units), over, len(values), sheet.missing(arm))


def gain(sheet: Sheet, arm: str, baseline: str) -> Gain:
    """What an arm gains over a baseline.

    Raises: EvaluationError, for an arm that is not there.
    """
    ours, theirs = sheet.of(arm), sheet.of(baseline)
    pairs = {
        place: ours[place] - theirs[place] for place in sheet.places if place in ours and place in theirs
    }
    over, units = _units(sheet, pairs)
    differences = [*units.values()]
    interval = t_interval(differences)
    up = 1 if declared_score(sheet.score).higher_is_better else -1
    spread = stdev(differences) if len(differences) > 1 else math.nan
    return Gain(
        arm,
        baseline,
        interval,
        len(units),
        over,
        sign_flip(differences),
        interval.value / spread if spread else math.nan,
        sum(up * each > 0 for each in differences),
        sum(up * each < 0 for each in differences),
        fmean(0.5 + 0.5 * np.sign(up * each) for each in pairs.values()) if pairs else math.nan,
        len(pairs),
        len(sheet.places) - len(pairs),
        units,
    )


def _units(sheet: Sheet, values: Mapping[Place, float]) -> tuple[Over, dict[str, float]]:
    """What intervals are over: the means of concepts; of a single concept, those of its prompts."""
    means = prompt_means(values)
    if len(sheet.concepts) == 1:
        return "prompts", next(iter(means.values()), {})
    return "concepts", {concept: fmean(prompts.values()) for concept, prompts in means.items()}


def t_interval(values: Sequence[float]) -> Interval:
    """The mean with Student's 95 % interval; from nan to nan for a single value, all nan for none.

    >>> str(t_interval([3.0, 4.0, 5.0]))
    '4.00 [1.52–6.48]'
    """
    n = len(values)
    if not n:
        return Interval(math.nan, math.nan, math.nan)
    mean = fmean(values)
    half = quantile(0.975, n - 1) * stdev(values) / math.sqrt(n) if n > 1 else math.nan
    return Interval(mean, mean - half, mean + half)


def one_sided(differences: Sequence[float], margin: float = 0.0) -> float:
    """The p of Student's test that the mean difference is not above −margin.

    Args:
        differences: one for each unit, above 0 where it is better.
        margin: how much worse still counts as "not worse"; 0 asks whether it is better.

    Returns: nan for a single difference.

    >>> round(one_sided([1.0, 2.0, 3.0]), 4)
    0.0371
    """
    if len(differences) < 2:
        return math.nan
    error = stdev(differences) / math.sqrt(len(differences))
    above = fmean(differences) + margin
    if not error:
        return 0.0 if above > 0 else 1.0
    return below(-above / error, len(differences) - 1)


def sign_flip(differences: Sequence[float], seed: int = 0) -> float:
    """The two-sided p of the sign-flip test: exact up to 40 differences, of 100,000 choices of signs beyond.

    All 2ⁿ sums are never made: each is one of the first half's and one of the second's, and how many of these
    reach far enough is looked up among them in order.

    Args:
        differences: one for each unit.
        seed: of the choices, where they are drawn.

    Returns: nan where there are none.

    >>> sign_flip([1.0, 2.0, 3.0])
    0.25
    """
    d = np.asarray(differences, dtype=float)
    if not d.size:
        return math.nan
    reached = abs(d.sum()) - 1e-12 * np.abs(d).sum()  # as far, whatever was rounded
    if d.size > EXACT:
        signs = np.random.default_rng(seed).integers(2, size=(DRAWS, d.size), dtype=np.int8)
        sums = (2 * signs - 1) @ d
        return float((1 + np.count_nonzero(np.abs(sums) >= reached)) / (1 + DRAWS))
    first, second = _sums(d[: d.size // 2]), np.sort(_sums(d[d.size // 2 :]))
    at_least = second.size - np.searchsorted(second, reached - first, side="left")
    at_most = np.searchsorted(second, -reached - first, side="right")
    if reached <= 0:  # every sum is as far from 0
        return 1.0
    return float((at_least.sum() + at_most.sum()) / 2.0**d.size)


def _sums(d: np.ndarray) -> np.ndarray:
    """The sums of all choices of signs."""
    sums = np.zeros(1)
    for each in d:
        sums = np.concatenate([sums + each, sums - each])
    return sums
