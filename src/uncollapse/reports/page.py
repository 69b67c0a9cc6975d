"""The page that every report is: one HTML file that loads nothing from outside, with figures and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..comparison.report import data_uri
from ..output import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from ..diagnosis.verdict import Verdict

__all__ = ["Drawing", "number", "range_of", "rendered", "save_figures", "save_sheet", "with_interval"]

TEMPLATE = Path(__file__).parent / "page.html.j2"
CAPTIONS = {  # of "leak-clip_l" too
    "training": "Over the steps, with 95% bands over contexts (of what is kept: over pictures). Dashed: "
    "with an adjustment. Below the dotted line the context is lost; the upright line is where "
    "the lower level begins, if there is one.",
    "text": "The sentences with the concept beside those with the plain word, by their last token, with"
    " 95% bands over contexts where a statistic has one. Dashed: with an adjustment. Spread 1: "
    "as unlike each other as with the plain word.",
    "filmstrip": "The first seed of some prompts at some steps; under each row, in green, the same with an "
    "adjustment.",
    "previews": "The previews that the training left, at some steps.",
    "heard": "How much of the context the denoiser still hears, and how much the concept changes there. "
    "Bars with 95% intervals over contexts; left of the dotted line on the left the context is "
    "lost, left of it on the right the subject is.",
    "norms": "A learned vector right of all words is longer than any of them. Triangles: the special tokens.",
    "turned": "An undrifted vector lies at the star. Arrows show what the adjustment does.",
    "leak": "The context's words are the same in both sentences: what moved there has leaked in from the "
    "concept, or is the text encoder's own change. Box: the middle half of the contexts.",
    "sentences": "Lines join the same sentence. A concept that drowns its context out draws the triangles "
    "together.",
    "pictures": "The first seed of each prompt. Pictures in a row share one seed.",
}
WIDE = ("training", "text", "filmstrip", "previews", "pictures")


@dataclass(frozen=True)
class Drawing:
    """A figure in the page.

    Args:
        name: its id, and the name of its file.
        markup: an ``<svg>`` or ``<img>``.
    """

    name: str
    markup: str

    @property
    def kind(self) -> str:
        return self.name.partition("-")[0]

    @property
    def caption(self) -> str:
        return CAPTIONS.get(self.kind, "")

    @property
    def wide(self) -> bool:
        return self.kind in WIDE


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Drawing]:
    """Write a PNG and an SVG of each; returns them for the page.

    Raises: OutputError.
    """
    from ..diagnosis import plots

    for name, figure in figures.items():
        plots.save(figure, folder / f"{name}.png")
        plots.save(figure, folder / f"{name}.svg")
    return [Drawing(name, plots.as_svg(figure)) for name, figure in figures.items()]


def save_sheet(image: Image, name: str, says: str, folder: Path) -> Drawing:
    """The same for a picture: a PNG. ``says`` is for those who do not see it.

    Raises: OutputError.
    """
    from markupsafe import Markup

    write_atomically(folder / f"{name}.png", lambda path: image.save(path, format="PNG", optimize=True))
    tag = Markup('<img src="{}" style="max-width: {}px" alt="{}">')
    return Drawing(name, tag.format(data_uri(image), image.width, says))


def rendered(
    title: str,
    *,
    figures: Sequence[Drawing] = (),
    tables: Sequence[dict[str, Any]] = (),
    lead: str = "",
    verdict: Verdict | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The page as HTML text."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title, lead=lead, verdict=verdict, notes=notes, figures=figures, tables=tables
    )


def number(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def with_interval(interval: Any) -> str:
    """A figure with its interval, where it has one."""
    if not math.isfinite(interval.low):
        return number(interval.value)
    return f"{number(interval.value)} [{number(interval.low)}–{number(interval.high)}]"


def range_of(interval: Any) -> str:
    return "" if interval is None else f"{number(interval.low)} to {number(interval.high)}"
