"""How well raters agree: Krippendorff's alpha for figures, of which some may be missing.

    α = 1 − D_o / D_e        D_o: mean squared difference within an item's ratings
                             D_e: the same among all ratings, whichever item they are of

1 is agreement, 0 is what chance gives, less than 0 is worse than chance. An item counts with two ratings or
more; each of its pairs weighs 1/(ratings − 1).
Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011, for interval data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["alpha"]

Rating = float | None


def alpha(ratings: Sequence[Sequence[Rating]]) -> float:
    """Krippendorff's alpha with squared differences.

    Args:
        ratings: of each rater, one an item, items in the same order; None where there is none.

    Returns: nan where nothing can be told: no item has two ratings, or all ratings are the same.

    >>> alpha([[1.0, 2.0, 3.0, None], [1.0, 2.0, 3.0, 4.0]])
    1.0
    """
    items = [[each for each in item if each is not None] for item in zip(*ratings, strict=True)]
    items = [item for item in items if len(item) > 1]
    values = [each for item in items for each in item]
    expected = _squares(values) / (len(values) - 1) if items else 0.0
    if not expected:
        return math.nan
    return 1 - sum(_squares(item) / (len(item) - 1) for item in items) / expected


def _squares(values: Sequence[float]) -> float:
    """The sum of squared differences over all ordered pairs, without making them."""
    mean = sum(values) / len(values)
    return 2 * len(values) * sum((each - mean) ** 2 for each in values)
