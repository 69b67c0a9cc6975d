"""The figures of a training: curves over its steps, a question each, and its pictures as small multiples.

Everything an adjustment moves is drawn with it on the same axis, dashed. Bands are 95 % intervals over
contexts; a statistic without one is a bare line. Captions are here too, in ``SAYS``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

from ..metrics import Score
from ..metrics.scores import first_that_answers
from ..metrics.sets.bootstrap import Interval
from ..metrics.sets.statistics import DISTANCES, SPREADS
from ..reports.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, Plot, legend_below, new
from .points import Measured, TrainingDiagnosis
from .text_curves import share_of_spread
from .verdict import HEARD

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Row", "figures", "filmstrip", "heard", "picture_rows", "preview_row", "scored", "text_curves"]

WIDE, HIGH = 3.3, 2.6  # inches a panel
MOST_COLUMNS, MOST_PROMPTS = 10, 4
UPRIGHT = "The upright line is where the lower level begins, if there is one."
SAYS = {
    "heard": "How much of the context the denoiser hears, and how far the concept changes what is drawn "
    "there, with 95% bands over contexts. Dashed: adjusted. Below the dotted line the context is lost. "
    f"{UPRIGHT}",
    "shares": "With 95% bands over pictures. Dashed: adjusted.",
    "means": "With 95% bands over contexts. Dashed: adjusted.",
    "text": "How the text encoder's vectors moved: drift of the words, and the sentences with the concept "
    "beside those with the plain word, by their last token, with 95% bands over contexts where a statistic "
    f"has one. Dashed: adjusted. Spread 1: as unlike each other as with the plain word. {UPRIGHT}",
    "filmstrip": "The first seed of some prompts at some steps; under each row, in green, the same with an "
    "adjustment.",
    "previews": "The previews that the training left, at some steps.",
}


def figures(found: TrainingDiagnosis, previews: Mapping[int, Image], prompt: str) -> dict[str, Plot]:
    """All of them by name: "heard", then of the pictures a figure a score, by its name, and "filmstrip", or
    "previews" where none were drawn; "text", of several text encoders "text-clip_l", ….

    Folded away are the text's, and the scores that are not those quoted on context and likeness.
    """
    drawn = {"heard": heard(found)}
    quoted = [first_that_answers(question, found.scores) for question in ("context", "likeness")]
    drawn |= {score.name: scored(found, score, aside=score not in quoted) for score in found.scores}
    if any(point.pictures for point in found.points):
        drawn["filmstrip"] = filmstrip(*picture_rows(found))
    elif previews:
        drawn["previews"] = filmstrip(*preview_row(previews, prompt), SAYS["previews"])
    for name in found.encoders:
        of = f"-{name}" if len(found.encoders) > 1 else ""
        drawn[f"text{of}"] = text_curves(found, name)
    return drawn


def heard(found: TrainingDiagnosis) -> Plot:
    """What the denoiser hears of the context, and the concept's presence."""
    figure, axes = new()
    _titled(axes, found, "What the denoiser hears", "share of the base model's", "step")
    _by_arm(axes, found, lambda measured: measured.values.get("heard"), "heard")
    presence = [point.as_it_is.values["presence"] for point in found.points]
    _curve(axes, found, presence, ORANGE, "^:", "presence")
    axes.axhline(HEARD, color="black", ls=":", lw=1)
    legend_below(figure)
    return Plot(figure, SAYS["heard"])


def scored(found: TrainingDiagnosis, score: Score, *, aside: bool = False) -> Plot:
    """What one score says of the pictures."""
    figure, axes = new()
    _titled(axes, found, score.paper_title, score.unit, "step")
    _by_arm(axes, found, lambda measured: measured.scores.get(score.name))
    if score.share:
        axes.set_ylim(-4, 104)
    legend_below(figure)
    return Plot(figure, SAYS["shares" if score.share else "means"], aside=aside)


def text_curves(found: TrainingDiagnosis, encoder: str) -> Plot:
    """The drift of words; all distances between the sets, and the spread within, by every measure; norms; the
    learned rows."""
    rows = {"norm": ("Norm of the learned rows", ""), "cosine": ("Their cosine to the class word", "")}
    learned = [name for name in rows if found.points[0].norm is not None]
    compared = [(each.curve, each.unit, each.name) for each in DISTANCES]
    compared += [(each.curve, "÷ the plain word's", share_of_spread(each)) for each in SPREADS]
    count = 1 + len(compared) + 1 + len(learned)
    figure, grid = new(3 * WIDE, HIGH * -(-count // 3), 3, -(-count // 3))
    panels = list(grid.flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    drift, *panels = panels[:count]
    text = [point.as_it_is.text[encoder] for point in found.points]
    _titled(drift, found, "Drift", "1 − cosine")
    _curve(drift, found, [each["context drift"] for each in text], BLUE, "o-", "the context's words")
    _curve(drift, found, [each["concept drift"] for each in text], ORANGE, "^:", "the concept's words")
    _by_arm(drift, found, _of_text(encoder, "pooled drift"), "the sentence")
    for axes, (title, unit, name) in zip(panels, compared, strict=False):
        _titled(axes, found, title, unit)
        _by_arm(axes, found, _of_text(encoder, name), "the sentence")
    norms, *of_rows = panels[len(compared) :]
    _titled(norms, found, "Norms of all words", "÷ with the plain word")
    _curve(norms, found, [each["norm ratio"] for each in text], RED, "o-")
    for axes, name in zip(of_rows, learned, strict=True):
        _titled(axes, found, *rows[name])
        steps = [point.step for point in found.points]
        axes.plot(steps, [getattr(point, name) for point in found.points], "o-", color=RED, ms=3)
    for axes in [drift, *panels][-3:]:
        axes.set_xlabel("step", fontsize=9)
    legend_below(figure, 110)
    return Plot(figure, SAYS["text"], wide=True, aside=True)


Figured = Callable[[Measured], Interval | None]  # one figure of what an arm measured


def _of_text(encoder: str, name: str) -> Figured:
    return lambda measured: measured.text.get(encoder, {}).get(name)


def _titled(axes: Any, found: TrainingDiagnosis, title: str, unit: str, below: str = "") -> None:
    axes.set_title(title, fontsize=10.5)
    axes.set_ylabel(unit, fontsize=9)
    axes.set_xlabel(below, fontsize=9)
    axes.tick_params(labelsize=9)
    axes.ticklabel_format(useOffset=False)
    if found.onset is not None:
        axes.axvline(found.onset, color="black", lw=1)


def _by_arm(axes: Any, found: TrainingDiagnosis, figure: Figured, name: str = "") -> None:
    """A curve an arm; what is adjusted is dashed."""
    looks = cycle(((GREEN, "s--"), (BLUE, "D--"), (PURPLE, "v--"), (SKY, "P--")))
    for arm, label in found.labels.items():
        colour, style = next(looks) if label else (RED, "o-")
        said = f"{name} {label}".strip() if name else label or "as it is"
        _curve(axes, found, [figure(point.arms[arm]) for point in found.points], colour, style, said)


def _curve(
    axes: Any,
    found: TrainingDiagnosis,
    values: Sequence[Interval | None],
    colour: str,
    style: str,
    label: str | None = None,
) -> None:
    known = [
        (point.step, value) for point, value in zip(found.points, values, strict=True) if value is not None
    ]
    if not known:
        return
    steps = [step for step, _ in known]
    axes.plot(steps, [v.value for _, v in known], style, color=colour, label=label, ms=3, lw=1.4)
    axes.fill_between(
        steps, [v.low for _, v in known], [v.high for _, v in known], color=colour, alpha=0.15, lw=0
    )


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
