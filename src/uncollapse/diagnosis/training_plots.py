"""The figures of a training: curves over its steps, and its pictures as small multiples.

Everything an adjustment moves is drawn with it on the same axis, dashed. Bands are 95 % intervals over
contexts; a statistic without one is a bare line. Captions are here too, in ``SAYS``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

from ..metrics.sets.bootstrap import Interval
from ..metrics.sets.statistics import DISTANCES, SPREADS
from ..reports.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, Plot, new
from .points import Measured, TrainingDiagnosis
from .text_curves import share_of_spread
from .verdict import HEARD

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

__all__ = ["Row", "curves", "figures", "filmstrip", "picture_rows", "preview_row", "text_curves"]

WIDE, HIGH = 3.3, 2.6  # inches a panel
MOST_COLUMNS, MOST_PROMPTS = 10, 4
SAYS = {
    "training": "Over the steps, with 95% bands over contexts (of what is kept: over pictures). Dashed: "
    "with an adjustment. Below the dotted line the context is lost; the upright line is where "
    "the lower level begins, if there is one.",
    "text": "The sentences with the concept beside those with the plain word, by their last token, with"
    " 95% bands over contexts where a statistic has one. Dashed: with an adjustment. Spread 1: "
    "as unlike each other as with the plain word.",
    "filmstrip": "The first seed of some prompts at some steps; under each row, in green, the same with an "
    "adjustment.",
    "previews": "The previews that the training left, at some steps.",
}


def figures(found: TrainingDiagnosis, previews: Mapping[int, Image], prompt: str) -> dict[str, Plot]:
    """All of them by name: "training", "filmstrip" or else "previews", "text"; of several text encoders
    "text-clip_l", …."""
    drawn = {"training": curves(found)}
    if any(point.pictures for point in found.points):
        drawn["filmstrip"] = filmstrip(*picture_rows(found))
    elif previews:
        drawn["previews"] = filmstrip(*preview_row(previews, prompt), SAYS["previews"])
    for name in found.encoders:
        of = f"-{name}" if len(found.encoders) > 1 else ""
        drawn[f"text{of}"] = text_curves(found, name)
    return drawn


def curves(found: TrainingDiagnosis) -> Plot:
    """What the denoiser hears, what moved in the text, and what the pictures show, over the steps."""
    first = found.encoders[0] if found.encoders else None
    scores = found.scores
    panels = _Panels(found, 1 + 2 * bool(first) + len(scores))
    heard = panels.next("The denoiser", "share of the base model's")
    panels.by_arm(heard, lambda measured: measured.values.get("heard"), "heard")
    presence = [point.as_it_is.values["presence"] for point in found.points]
    panels.curve(heard, presence, ORANGE, "^:", "presence")
    heard.axhline(HEARD, color="black", ls=":", lw=1)
    if first:
        of = f": {first}" if len(found.encoders) > 1 else ""
        drift = panels.next(f"Drift in the text{of}", "1 − cosine")
        text = [point.as_it_is.text[first] for point in found.points]
        panels.curve(drift, [each["context drift"] for each in text], BLUE, "o-", "context")
        panels.curve(drift, [each["concept drift"] for each in text], ORANGE, "^:", "concept")
        panels.by_arm(drift, _of_text(first, "pooled drift"), "pooled")
        panels.compared("Spread of the sentences", "÷ the plain word's", _of_text(first, "spread"))
    for score in scores:
        axes = panels.compared(score.paper_title, score.unit, _of_pictures(score.name))
        if score.share:
            axes.set_ylim(-4, 104)
    return Plot(panels.finished(), SAYS["training"], wide=True)


def text_curves(found: TrainingDiagnosis, encoder: str) -> Plot:
    """All distances between the sets, and the spread within, by every measure; norms; the learned rows."""
    rows = {"norm": ("Norm of the learned rows", ""), "cosine": ("Their cosine to the class word", "")}
    learned = [name for name in rows if found.points[0].norm is not None]
    panels = _Panels(found, len(DISTANCES) + len(SPREADS) + 1 + len(learned))
    for each in DISTANCES:
        panels.compared(each.curve, each.unit, _of_text(encoder, each.name))
    for each in SPREADS:
        panels.compared(each.curve, "÷ the plain word's", _of_text(encoder, share_of_spread(each)))
    norms = panels.next("Norms of all words", "÷ with the plain word")
    panels.curve(norms, [point.as_it_is.text[encoder]["norm ratio"] for point in found.points], RED, "o-", "")
    for name in learned:
        axes = panels.next(*rows[name])
        axes.plot(panels.steps, [getattr(point, name) for point in found.points], "o-", color=RED, ms=3)
    return Plot(panels.finished(), SAYS["text"], wide=True)


Figured = Callable[[Measured], Interval | None]  # one figure of what an arm measured


def _of_text(encoder: str, name: str) -> Figured:
    return lambda measured: measured.text.get(encoder, {}).get(name)


def _of_pictures(name: str) -> Figured:
    return lambda measured: measured.scores.get(name)


class _Panels:
    """Axes three abreast, handed out one after the other."""

    def __init__(self, found: TrainingDiagnosis, count: int) -> None:
        columns = min(3, count)
        rows = -(-count // columns)
        self.points, self.labels = found.points, found.labels
        self.steps = [point.step for point in found.points]
        self.onset = found.onset
        self.explained = False  # one legend says what the curves of every panel are
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

    def compared(self, title: str, measured_in: str, figure: Figured) -> Any:
        """A panel of a figure as it is and by every arm for which it was computed."""
        axes = self.next(title, measured_in)
        self.by_arm(axes, figure, explained=self.explained)
        self.explained = True
        return axes

    def by_arm(self, axes: Any, figure: Figured, name: str = "", *, explained: bool = False) -> None:
        """A curve an arm, labelled unless that is ``explained``; what is adjusted is dashed."""
        looks = cycle(((GREEN, "s--"), (BLUE, "D--"), (PURPLE, "v--"), (SKY, "P--")))
        for arm, label in self.labels.items():
            colour, style = next(looks) if label else (RED, "o-")
            said = f"{name} {label}".strip() if name else label or "as it is"
            known = [figure(point.arms[arm]) for point in self.points]
            self.curve(axes, known, colour, style, "" if explained else said)

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
                columns = 2 if max(map(len, labels)) < 18 else 1
                low, high = axes.get_ylim()
                axes.set_ylim(low, high + 0.25 * -(-len(labels) // columns) * (high - low))
                legend = axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=columns)
                legend.set_in_layout(False)  # a long name must not squeeze the panel
            elif labels:
                axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")  # legible over a curve
        for axes in self.all[self.used :]:
            axes.set_visible(False)
        for axes in self.all[max(0, self.used - 3) : self.used]:
            axes.set_xlabel("step", fontsize=9)
        return self.figure


@dataclass(frozen=True)
class Row:
    """What a row of pictures shows, and a picture a column."""

    label: str
    images: Sequence[Image]
    adjusted: bool = False


def picture_rows(found: TrainingDiagnosis) -> tuple[list[str], list[Row]]:
    """The first seed of some prompts at some steps, as it is and adjusted, and the steps."""
    drawn = [(point.step, point.pictures.comparison) for point in found.points if point.pictures is not None]
    drawn = [drawn[i] for i in _spread_out(len(drawn), MOST_COLUMNS)]
    _, first = drawn[0]
    rows: list[Row] = []
    for i in _spread_out(len(first.prompts), MOST_PROMPTS):
        for arm in first.arms:
            label = arm.name if arm.altered else first.prompts[i].template.replace("{}", "…")
            images = [each.of(arm.name)[i * len(first.seeds)].image for _, each in drawn]
            rows.append(Row(label, images, arm.altered))
    return [str(step) for step, _ in drawn], rows


def preview_row(previews: Mapping[int, Image], prompt: str) -> tuple[list[str], list[Row]]:
    """The previews of a training as one row, and the steps."""
    steps = [list(previews)[i] for i in _spread_out(len(previews), MOST_COLUMNS)]
    return [str(step) for step in steps], [Row(prompt, [previews[step] for step in steps])]


def filmstrip(steps: Sequence[str], rows: Sequence[Row], says: str = SAYS["filmstrip"]) -> Plot:
    """Small multiples: a row for each thing drawn, a column for each step; and what is said below them."""
    figure, grid = new(1.6 + 0.95 * len(steps), 0.45 + 1.0 * len(rows), len(steps), len(rows))
    grid = grid.reshape(len(rows), len(steps)) if len(rows) * len(steps) > 1 else [[grid]]
    for row, line in zip(rows, grid, strict=True):
        for image, axes in zip(row.images, line, strict=True):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            axes.imshow(image)
        text = "\n".join(textwrap.wrap(row.label, 20))
        colour = GREEN if row.adjusted else "black"
        line[0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8, color=colour)
    for step, axes in zip(steps, grid[0], strict=True):
        axes.set_title(f"step {step}", fontsize=8.5, color=GREY)
    return Plot(figure, says, wide=True)


def _spread_out(count: int, most: int) -> list[int]:
    """At most so many of the numbers below ``count``, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]
