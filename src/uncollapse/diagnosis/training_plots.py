"""The figures of a training: curves over its steps, and its pictures as small multiples.

Everything an adjustment moves is drawn with it on the same axis, dashed. Bands are 95 % intervals over
contexts; a statistic without one is a bare line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..metrics.scores import present
from .plots import BLUE, GREEN, GREY, ORANGE, RED, new
from .text_curves import TEA
from .verdict import HEARD

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from ..metrics.sets.bootstrap import Interval
    from .training import TrainingDiagnosis

__all__ = ["curves", "filmstrip", "picture_rows", "preview_row", "text_curves"]

WIDE, HIGH = 3.3, 2.6  # inches a panel
MOST_COLUMNS, MOST_PROMPTS = 10, 4
DISTANCE_UNITS = {
    "euclidean": ("Euclidean, mean over pairs", "vector units"),
    "hausdorff": ("Hausdorff", "vector units"),
    "energy": ("Energy distance", "vector units"),
    "mahalanobis": ("Mahalanobis, of the means", "standard deviations"),
    "kl": ("Gaussian KL", "nats per dimension"),
    "mmd": ("Squared MMD", "0 to 2"),
}
SPREAD_TITLES = {
    "spread": "Spread: Euclidean",
    "spread, mmd": "Spread: kernel variance",
    "spread, hausdorff": "Spread: nearest neighbours",
    "spread, mahalanobis": "Spread: Mahalanobis",
    "spread, entropy": "Spread: width of the Gaussian",
}


def curves(found: TrainingDiagnosis) -> Figure:
    """What the denoiser hears, what moved in the text, and what the pictures show, over the steps."""
    first = found.encoders[0] if found.encoders else None
    scores = present({name for point in found.points for name in point.scores})
    panels = _Panels(found, 1 + 2 * bool(first) + len(scores))
    heard = panels.next("The denoiser", "share of the base model's")
    for name, colour, style in (
        ("heard", RED, "o-"),
        (f"heard{TEA}", GREEN, "s--"),
        ("presence", ORANGE, "^:"),
    ):
        panels.curve(heard, [point.values[name] for point in found.points], colour, style, name)
    heard.axhline(HEARD, color="black", ls=":", lw=1)
    if first:
        text = [point.text[first] for point in found.points]
        of = f": {first}" if len(found.encoders) > 1 else ""
        drift = panels.next(f"Drift in the text{of}", "1 − cosine")
        for name, colour, style in (
            ("context drift", BLUE, "o-"),
            ("concept drift", ORANGE, "^:"),
            ("pooled drift", RED, "o-"),
            (f"pooled drift{TEA}", GREEN, "s--"),
        ):
            panels.curve(drift, [each[name] for each in text], colour, style, name.replace(" drift", ""))
        panels.pair("Spread of the sentences", "÷ the plain word's", text, "spread")
    for score in scores:
        values = [point.scores for point in found.points]
        panels.pair(score.paper_title, score.unit, values, score.name, share=score.share)
    return panels.finished()


def text_curves(found: TrainingDiagnosis, encoder: str) -> Figure:
    """All distances between the sets, and the spread within, by every measure; norms; the learned rows."""
    text = [point.text[encoder] for point in found.points]
    rows = {"norm": ("Norm of the learned rows", ""), "cosine": ("Their cosine to the class word", "")}
    learned = [name for name in rows if found.points[0].norm is not None]
    panels = _Panels(found, len(DISTANCE_UNITS) + len(SPREAD_TITLES) + 1 + len(learned))
    for name, (title, measured_in) in DISTANCE_UNITS.items():
        panels.pair(title, measured_in, text, name)
    for name, title in SPREAD_TITLES.items():
        panels.pair(title, "÷ the plain word's", text, name)
    norms = panels.next("Norms of all words", "÷ with the plain word")
    panels.curve(norms, [each["norm ratio"] for each in text], RED, "o-", "")
    for name in learned:
        axes = panels.next(*rows[name])
        axes.plot(panels.steps, [getattr(point, name) for point in found.points], "o-", color=RED, ms=3)
    return panels.finished()


class _Panels:
    """Axes three abreast, handed out one after the other."""

    def __init__(self, found: TrainingDiagnosis, count: int) -> None:
        columns = min(3, count)
        rows = -(-count // columns)
        self.steps = [point.step for point in found.points]
        self.onset = found.onset
        self.explained = False  # one legend says what the two curves of every pair are
        self.figure, axes = new(WIDE * columns, HIGH * rows, columns, rows)
        self.all = list(axes.flat) if count > 1 else [axes]
        self.used = 0

    def next(self, title: str, measured_in: str) -> Any:
        axes = self.all[self.used]
        self.used += 1
        axes.set_title(title, fontsize=10.5)
        axes.set_ylabel(measured_in, fontsize=9)
        axes.tick_params(labelsize=9)
        axes.ticklabel_format(useOffset=False)
        return axes

    def pair(
        self,
        title: str,
        measured_in: str,
        values: Sequence[dict[str, Interval]],
        name: str,
        *,
        share: bool = False,
    ) -> None:
        """A panel of a figure as it is and, where that was computed, adjusted; a share from 0 to 100."""
        axes = self.next(title, measured_in)
        if share:
            axes.set_ylim(-4, 104)
        for key, colour, style, label in (
            (name, RED, "o-", "as it is"),
            (name + TEA, GREEN, "s--", "with TEA"),
        ):
            known = [each.get(key) for each in values]
            self.curve(axes, known, colour, style, "" if self.explained else label)
        self.explained = True

    def curve(
        self, axes: Any, values: Sequence[Interval | None], colour: str, style: str, label: str
    ) -> None:
        known = [(step, value) for step, value in zip(self.steps, values, strict=True) if value is not None]
        if not known:
            return
        steps = [step for step, _ in known]
        axes.plot(steps, [v.value for _, v in known], style, color=colour, label=label or None, ms=3, lw=1.4)
        low, high = [v.low for _, v in known], [v.high for _, v in known]
        axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)

    def finished(self) -> Figure:
        for axes in self.all[: self.used]:
            if self.onset is not None:
                axes.axvline(self.onset, color="black", lw=1)
            labels = axes.get_legend_handles_labels()[1]
            if len(labels) > 3:  # more than there is room for among the curves
                low, high = axes.get_ylim()
                axes.set_ylim(low, high + 0.5 * (high - low))
                axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
            elif labels:
                axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")  # legible over a curve
        for axes in self.all[self.used :]:
            axes.set_visible(False)
        for axes in self.all[max(0, self.used - 3) : self.used]:
            axes.set_xlabel("step", fontsize=9)
        return self.figure


Row = tuple[str, Sequence["Image"]]  # what it shows, and a picture a column


def picture_rows(found: TrainingDiagnosis) -> tuple[list[str], list[Row]]:
    """The first seed of some prompts at some steps, as it is and adjusted, and the steps."""
    points = [point for point in found.points if point.pictures is not None]
    points = [points[i] for i in _spread_out(len(points), MOST_COLUMNS)]
    comparison = points[0].pictures.comparison  # type: ignore[union-attr]
    rows: list[Row] = []
    for i in _spread_out(len(comparison.prompts), MOST_PROMPTS):
        for arm in comparison.arms:
            drawn = [point.pictures.comparison.of(arm.name) for point in points]  # type: ignore[union-attr]
            asked = comparison.prompts[i].template.replace("{}", "…")
            rows.append(
                (
                    arm.name if arm.adjuster else asked,
                    [each[i * len(comparison.seeds)].image for each in drawn],
                )
            )
    return [str(point.step) for point in points], rows


def preview_row(previews: Mapping[int, Image], prompt: str) -> tuple[list[str], list[Row]]:
    """The previews of a training as one row, and the steps."""
    steps = [list(previews)[i] for i in _spread_out(len(previews), MOST_COLUMNS)]
    return [str(step) for step in steps], [(prompt, [previews[step] for step in steps])]


def filmstrip(steps: Sequence[str], rows: Sequence[Row]) -> Figure:
    """Small multiples: a row for each thing drawn, a column for each step."""
    figure, grid = new(1.6 + 0.95 * len(steps), 0.45 + 1.0 * len(rows), len(steps), len(rows))
    grid = grid.reshape(len(rows), len(steps)) if len(rows) * len(steps) > 1 else [[grid]]
    for (label, images), line in zip(rows, grid, strict=True):
        for image, axes in zip(images, line, strict=True):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            axes.imshow(image)
        colour = GREEN if label.startswith("TEA") else "black"
        text = "\n".join(textwrap.wrap(label, 20))
        line[0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8, color=colour)
    for step, axes in zip(steps, grid[0], strict=True):
        axes.set_title(f"step {step}", fontsize=8.5, color=GREY)
    return figure


def _spread_out(count: int, most: int) -> list[int]:
    """At most so many of the numbers below ``count``, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]
