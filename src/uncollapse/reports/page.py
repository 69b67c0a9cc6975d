"""The page that every report is: one HTML file that loads nothing from outside.

Its parts stand in this order, and those that were not given are left out: title, finding, lead, notes, a
picture, figures, tables, sections, settings, what to run next. It is read on a telephone too: a table becomes
a card a row, and a figure fills the screen when it is tapped.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..output import save_text, write_atomically
from . import figures as plots
from .figures import Plot
from .table import Table

if TYPE_CHECKING:
    from markupsafe import Markup
    from PIL.Image import Image

__all__ = ["Drawing", "Finding", "NextStep", "as_drawing", "data_uri", "drawings", "rendered", "save_image"]

TEMPLATE = Path(__file__).parent / "page.html.j2"


@dataclass(frozen=True)
class Drawing:
    """A figure or a picture in the page.

    Args:
        name: its id, and the name of its file.
        markup: an ``<svg>`` or ``<img>``.
        caption: what is said below it.
        wide: whether it takes the whole width.
        aside: whether it is folded away.
    """

    name: str
    markup: str
    caption: str = ""
    wide: bool = False
    aside: bool = False


@dataclass(frozen=True)
class Finding:
    """What it all comes to, in a box at the head of the page.

    Args:
        word: in a word.
        by: what it rests on: "the denoiser"; "" for nothing in particular.
        reasons: what speaks for it, a sentence each.
        proposal: what to do about it; "" for nothing.
        tone: how the box is marked: "good", "bad", "odd", or "" for neither.
    """

    word: str
    by: str = ""
    reasons: Sequence[str] = ()
    proposal: str = ""
    tone: Literal["good", "bad", "odd", ""] = ""


@dataclass(frozen=True)
class NextStep:
    """What to run next.

    Args:
        why: what it is good for, a sentence.
        command: as it is typed.
    """

    why: str
    command: str


def rendered(
    title: str,
    *,
    finding: Finding | None = None,
    lead: str = "",
    notes: Sequence[str] = (),
    picture: Drawing | None = None,
    figures: Sequence[Drawing] = (),
    tables: Sequence[Table] = (),
    sections: Sequence[Markup] = (),
    settings: Mapping[str, object] | None = None,
    then: NextStep | None = None,
    manual: str = "",
) -> str:
    """The page as HTML text; whatever people typed is escaped.

    Args:
        title: of the page.
        finding: what it all comes to.
        lead: what was looked at.
        notes: what is to be said besides.
        picture: that says it all at a glance, above the figures.
        figures: two abreast where there is room.
        tables: one below the other.
        sections: whatever else there is, as markup.
        settings: name by name; those that are None are left out.
        then: what to run next.
        manual: where the figures are explained.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["parted"] = _parted
    given = {name: value for name, value in (settings or {}).items() if value is not None}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title,
        finding=finding,
        lead=lead,
        notes=notes,
        picture=picture,
        figures=[each for each in figures if not each.aside],
        asides=[each for each in figures if each.aside],
        tables=tables,
        sections=sections,
        settings=given,
        then=then,
        manual=manual,
    )


def _parted(cell: str) -> tuple[str, str]:
    """A cell's figure, and its interval: "0.98", "[0.97–0.99]"; "" where it has none."""
    figure, bracket, rest = cell.partition(" [")
    return (figure, f"[{rest}") if bracket and rest.endswith("]") else (cell, "")


def drawings(figures: Mapping[str, Plot], folder: Path) -> list[Drawing]:
    """Write a PNG and an SVG of each figure, by its name; returns them for the page.

    Raises: OutputError.
    """
    return [_written(name, plot, folder) for name, plot in figures.items()]


def _written(name: str, plot: Plot, folder: Path) -> Drawing:
    """One rendering of the SVG is the file and stands in the page."""
    png, svg = plots.as_png(plot.figure), plots.as_svg(plot.figure)
    write_atomically(folder / f"{name}.png", lambda scratch: scratch.write_bytes(png))
    save_text(svg, folder / f"{name}.svg")
    return Drawing(name, svg[svg.index("<svg") :], plot.caption, plot.wide, plot.aside)


def as_drawing(image: Image, name: str, says: str, caption: str = "") -> Drawing:
    """A picture for the page, within it as a PNG; ``says`` is for those who do not see it."""
    from markupsafe import Markup

    tag = Markup('<img src="{}" width="{}" height="{}" alt="{}">')
    return Drawing(name, tag.format(data_uri(image), *image.size, says), caption, wide=True)


def save_image(image: Image, path: Path) -> Path:
    """Write a picture as a PNG.

    Raises: OutputError.
    """
    return write_atomically(path, lambda scratch: image.save(scratch, format="PNG"))


def data_uri(image: Image) -> str:
    """The picture as the address of a PNG within a page."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
