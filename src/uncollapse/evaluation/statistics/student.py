"""Student's distribution for whole degrees of freedom: how much of it lies below a value, and the reverse.

With θ = arctan(t/√ν), the share between −t and t is a finite sum:

    ν odd:   2/π · (θ + sin θ (cos θ + 2/3 cos³θ + … + (2·4···(ν−3))/(3·5···(ν−2)) cos^(ν−2) θ))
    ν even:  sin θ (1 + 1/2 cos²θ + (1·3)/(2·4) cos⁴θ + … + (1·3···(ν−3))/(2·4···(ν−2)) cos^(ν−2) θ)

Source: M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4. It stands here
so that an interval needs no scipy.
"""

from __future__ import annotations

import math

__all__ = ["below", "quantile"]


def below(t: float, df: int) -> float:
    """The probability that a value of Student's distribution is less than ``t``.

    Args:
        df: degrees of freedom, at least 1.

    >>> round(below(2.0, 8), 4)
    0.9597
    """
    if math.isnan(t):
        return math.nan
    return 0.5 * (1 + math.copysign(_between(math.atan(abs(t) / math.sqrt(df)), df), t))


def quantile(share: float, df: int) -> float:
    """The value that this share of Student's distribution lies below.

    Args:
        share: between 0 and 1, both excluded.
        df: degrees of freedom, at least 1.

    >>> round(quantile(0.975, 8), 3)
    2.306
    """
    low, high = -math.pi / 2, math.pi / 2
    while low < (middle := (low + high) / 2) < high:  # until floats end
        if 0.5 * (1 + math.copysign(_between(abs(middle), df), middle)) < share:
            low = middle
        else:
            high = middle
    return math.tan(middle) * math.sqrt(df)


def _between(angle: float, df: int) -> float:
    """The share between −t and t, with t = √ν tan θ."""
    sin, cos = math.sin(angle), math.cos(angle)
    first = df % 2  # the odd sum begins with cos θ, the even one with 1
    term, total = cos**first, 0.0
    for power in range(first, df - 1, 2):
        total += term
        term *= cos * cos * (power + 1) / (power + 2)
    return (angle + sin * total) * 2 / math.pi if first else sin * total
