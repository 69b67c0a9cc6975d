"""The figure of a tuning: what each way brings back of the context, and what it leaves of the likeness.

A way is on the *front* if no other has more of the one without less of the other: what can be had at all lies
on it, and the wish says which point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..comparison import BASE, PERSONALISED
from ..reports.figures import BLUE, GREY, ORANGE, Plot, new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .trials import Tuned

__all__ = ["front", "unbeaten"]

Point = tuple[float, float]
LIKENESS, CONTEXT = (0.0, 1.0), (1.0, 0.0)  # the personalised model, which has all of the one; the base model
SAYS = (
    "Each way that drew pictures, and how many. Joined: the ways that no other beats in both, from the "
    "personalised model, which has all the likeness, to the base model, which has all the context. Star: "
    "what was chosen."
)
WISH = " Dotted: what was to be kept at least."
CENTRED: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9}
APART = 0.072  # of the axes' height, between two labels


def front(found: Tuned) -> Plot:
    """Context against likeness, in per cent, with a label for each way."""
    drawn = [each for each in found.candidates if each.context is not None and each.likeness is not None]
    points: dict[str, Point] = {each.arm.name: (each.context or 0, each.likeness or 0) for each in drawn}
    chosen = found.chosen.arm.name if found.chosen else ""
    best = unbeaten(points)
    figure, axes = new(7.2, 4.4)
    joined = [LIKENESS, *sorted(points[name] for name in best), CONTEXT]
    axes.plot(*_percent(joined), color=BLUE, lw=1.2, zorder=1)
    for name, point, place in ((PERSONALISED.name, LIKENESS, (28, 11)), (BASE.name, CONTEXT, (-20, 0))):
        axes.plot(*_percent([point]), marker="s", ms=7, color=GREY, mec="white", zorder=2)
        axes.annotate(name, (100 * point[0], 100 * point[1]), place, textcoords="offset points", **CENTRED)
    for name, point in points.items():
        colour = ORANGE if name == chosen else BLUE if name in best else GREY
        look = {"marker": "*", "ms": 17, "zorder": 3} if name == chosen else {"marker": "o", "ms": 7}
        axes.plot(*_percent([point]), ls="", color=colour, mec="white", **look)
    if found.keep.what == "likeness":
        axes.axhline(100 * found.keep.share, color=GREY, lw=1, ls=":")
    elif found.keep.what == "context":
        axes.axvline(100 * found.keep.share, color=GREY, lw=1, ls=":")
    axes.set(
        xlabel="context that is back, %",
        ylabel="likeness that is left, %",
        title="What is to be had, and what was chosen",
    )
    axes.margins(0.07)
    _label(axes, {f"{each.arm.name} · {each.pictures}": points[each.arm.name] for each in drawn})
    return Plot(figure, SAYS + (WISH if found.keep.what != "balance" else ""), wide=True)


def unbeaten(points: dict[str, Point]) -> list[str]:
    """Those than which no other has more of one without less of the other."""
    return [
        name
        for name, (x, y) in points.items()
        if not any(u >= x and v >= y and (u > x or v > y) for u, v in points.values())
    ]


def _percent(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [100 * x for x, _ in points], [100 * y for _, y in points]


def _label(axes: Axes, points: dict[str, Point]) -> None:
    """Names in a column beside the axes, each with a line to its point, none over another."""
    low, high = axes.get_ylim()
    placed: list[tuple[str, float]] = []
    for name, (_, y) in sorted(points.items(), key=lambda item: (-item[1][1], item[1][0])):
        wanted = (100 * y - low) / (high - low)
        placed.append((name, min(wanted, placed[-1][1] - APART) if placed else wanted))
    up = max(0.0, -placed[-1][1]) if placed else 0.0
    for name, height in placed:
        x, y = points[name]
        axes.annotate(
            name,
            (100 * x, 100 * y),
            (1.04, height + up),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            arrowprops={
                "arrowstyle": "-",
                "color": GREY,
                "lw": 0.5,
                "relpos": (0, 0.5),
                "shrinkA": 2,
                "shrinkB": 4,
            },
        )
