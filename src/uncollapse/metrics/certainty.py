"""How sure a figure is: a mean with its spread over seeds, a share with its interval.

Prompts differ on purpose, so their scatter is no error. Seeds are the repeats: a metric is averaged over the
prompts of each seed first, and the spread is the standard deviation of those per-seed means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

__all__ = ["Share", "Spread", "share", "spread_over_seeds"]


@dataclass(frozen=True)
class Spread:
    """A mean and its sample standard deviation over ``seeds`` repeats (``nan`` for a single one)."""

    mean: float
    sd: float
    seeds: int

    def __str__(self) -> str:
        return self.written(1)

    def written(self, decimals: int) -> str:
        """With so many decimals: "19.4 ± 0.3"."""
        mean = f"{self.mean:.{decimals}f}"
        return mean if math.isnan(self.sd) else f"{mean} ± {self.sd:.{decimals}f}"


@dataclass(frozen=True)
class Share:
    """``kept`` of ``total``, with the 95 % Wilson interval [low, high]; all three in per cent."""

    kept: int
    total: int
    percent: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.percent:.0f}% [{self.low:.0f}–{self.high:.0f}]"


def spread_over_seeds(seeds: Sequence[int], values: Sequence[float]) -> Spread:
    """Mean over the prompts of each seed, then mean ± sd over seeds.

    Args:
        seeds: the seed each value belongs to.
        values: one figure an image.

    >>> str(spread_over_seeds([0, 0, 1, 1], [10.0, 30.0, 20.0, 24.0]))
    '21.0 ± 1.4'
    """
    by_seed: dict[int, list[float]] = {}
    for seed, value in zip(seeds, values, strict=True):
        by_seed.setdefault(seed, []).append(value)
    means = [fmean(group) for group in by_seed.values()]
    return Spread(fmean(means), stdev(means) if len(means) > 1 else math.nan, len(means))


def share(kept: Iterable[bool], z: float = 1.959964) -> Share:
    """The share of true values with its Wilson score interval, z standard deviations wide each way.

        (p + z²/2n ± z · sqrt(p(1−p)/n + z²/4n²)) / (1 + z²/n)

    Images are counted as independent, which those of one seed or one prompt are not quite.
    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927).

    >>> str(share([True] * 8))
    '100% [68–100]'
    """
    votes = [bool(vote) for vote in kept]
    n, p = len(votes), fmean(votes)
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Share(sum(votes), n, 100 * p, 100 * low, 100 * high)
