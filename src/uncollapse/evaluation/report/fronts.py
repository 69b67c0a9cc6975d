"""A method's arms as points: context to the right, likeness up, with their intervals, and the front."""

from __future__ import annotations

from ...reports.figures import BLUE, GREY, ORANGE, Plot, new
from ..identities import title
from ..statistics import front, level
from .findings import Findings

__all__ = ["front_plots"]

MOST_NAMES = 8  # more would stand on each other
HEIGHTS = (5, -13, 17, -25)  # of names above their points, by turns


def front_plots(found: Findings) -> dict[str, Plot]:
    """A figure for each method that has both scores, by the name of its file."""
    plots = {}
    for number, method in enumerate(found.methods, 1):
        if (points := found.points(method)) is None:
            continue
        context, likeness, arms = points
        across = [level(context, arm).interval for arm in arms]
        up = [level(likeness, arm).interval for arm in arms]
        best = front([(x.value, y.value) for x, y in zip(across, up, strict=True)])
        figure, axes = new(6.2, 4.4)
        for i, (arm, x, y) in enumerate(zip(arms, across, up, strict=True)):
            is_baseline = arm == found.baseline
            axes.errorbar(
                x.value,
                y.value,
                xerr=[[x.value - x.low], [x.high - x.value]],
                yerr=[[y.value - y.low], [y.high - y.value]],
                fmt="s" if is_baseline else "o",
                color=ORANGE if is_baseline else BLUE,
                ecolor=GREY,
                elinewidth=0.8,
                capsize=2,
            )
            if len(arms) <= MOST_NAMES or i in best or is_baseline:
                beside = (6, HEIGHTS[i % len(HEIGHTS)])
                axes.annotate(arm, (x.value, y.value), xytext=beside, textcoords="offset points", fontsize=9)
        edge = sorted(((across[i].value, up[i].value) for i in best), reverse=True)
        axes.plot(*zip(*edge, strict=True), color=BLUE, linewidth=1, linestyle="--", zorder=0)
        axes.set_xlabel(title(context.score))
        axes.set_ylabel(title(likeness.score))
        caption = (
            f"{method}: better is up and to the right. Dashed: the front, which no other arm is better than "
            f"in both; square: {found.baseline}. Bars: Student's 95% intervals."
        )
        plots[f"front-{number}"] = Plot(figure, caption)
    return plots
