"""What the statistics of sets are called and measured in: tables and curves take their words from here.

The formulas are in ``distances`` and ``spread``, whose results hold them under the same names.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DISTANCES", "SPREADS", "Statistic"]


@dataclass(frozen=True)
class Statistic:
    """One statistic.

    Args:
        name: its field in ``Distances`` or ``SetSpread``.
        title: what tables call it.
        unit: what it is in.
        short: what a curve calls it; of a distance its title.
    """

    name: str
    title: str
    unit: str
    short: str = ""

    @property
    def curve(self) -> str:
        """The title of its curve, which begins with a capital."""
        text = self.short or self.title
        return text[0].upper() + text[1:]


DISTANCES = (
    Statistic("euclidean", "Euclidean, mean over pairs", "vector units"),
    Statistic("hausdorff", "Hausdorff", "vector units"),
    Statistic("mahalanobis", "Mahalanobis, between the means", "standard deviations"),
    Statistic("kl", "Gaussian KL", "nats per dimension"),
    Statistic("energy", "energy distance", "vector units"),
    Statistic("mmd", "squared MMD", "0 to 2"),
)
SPREADS = (
    Statistic("euclidean", "Euclidean, mean over pairs", "vector units", "Spread: Euclidean"),
    Statistic("hausdorff", "farthest nearest neighbour", "vector units", "Spread: nearest neighbours"),
    Statistic(
        "mahalanobis", "Mahalanobis, root mean square", "anchor's standard deviations", "Spread: Mahalanobis"
    ),
    Statistic("entropy", "entropy of the Gaussian", "nats per dimension", "Spread: width of the Gaussian"),
    Statistic("mmd", "kernel variance", "0 to 1", "Spread: kernel variance"),
)
