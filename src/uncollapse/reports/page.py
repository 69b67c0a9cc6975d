"""The page that every report is: one HTML file that loads nothing from outside.

Its parts stand in this order, and those that were not given are left out: title, lead, finding, notes, a
picture, figures, tables, settings.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..output import write_atomically
from . import figures as plots
from .figures import Plot
from .table import Table, written

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Drawing", "Finding", "as_drawing", "data_uri", "drawings", "rendered", "save_image"]

TEMPLATE = Path(__file__).parent / "page.html.j2"


@dataclass(frozen=True)
class Drawing:
    """A figure or a picture in the page.

    Args:
        name: its id, and the name of its file.
        markup: an ``<svg>`` or ``<img>``.
        caption: what is said below it.
        wide: whether it takes the whole width.
    """

    name: str
    markup: str
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Finding:
    """What it all comes to, in a box at the head of the page.

    Args:
        word: in a word.
        by: what it rests on.
        reasons: what speaks for it, a sentence each.
        proposal: what to do about it; "" for nothing.
        tone: how the box is marked: "good", "bad", "odd", or "" for neither.
    """

    word: str
    by: str
    reasons: Sequence[str] = ()
    proposal: str = ""
    tone: Literal["good", "bad", "odd", ""] = ""


def rendered(
    title: str,
    *,
    lead: str = "",
    finding: Finding | None = None,
    notes: Sequence[str] = (),
    picture: Drawing | None = None,
    figures: Sequence[Drawing] = (),
    tables: Sequence[Table] = (),
    settings: Mapping[str, object] | None = None,
    manual: str = "",
) -> str:
    """The page as HTML text; whatever people typed is escaped.

    Args:
        title: of the page.
        lead: its first sentences.
        finding: what it all comes to.
        notes: what is to be said besides.
        picture: that says it all at a glance, above the figures.
        figures: two abreast where there is room.
        tables: one below the other.
        settings: name by name; those that are None are left out.
        manual: where the figures are explained.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["written"] = written
    given = {name: value for name, value in (settings or {}).items() if value is not None}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title,
        lead=lead,
        finding=finding,
        notes=notes,
        picture=picture,
        figures=figures,
        tables=tables,
        settings=given,
        manual=manual,
    )


def drawings(figures: Mapping[str, Plot], folder: Path) -> list[Drawing]:
    """Write a PNG and an SVG of each figure, by its name; returns them for the page.

    Raises: OutputError.
    """
    for name, plot in figures.items():
        plots.save(plot.figure, folder / f"{name}.png")
        plots.save(plot.figure, folder / f"{name}.svg")
    return [
        Drawing(name, plots.as_svg(plot.figure), plot.caption, plot.wide) for name, plot in figures.items()
    ]


def as_drawing(image: Image, name: str, says: str, caption: str = "") -> Drawing:
    """A picture for the page, within it as a PNG; ``says`` is for those who do not see it."""
    from markupsafe import Markup

    tag = Markup('<img src="{}" style="max-width: {}px" alt="{}">')
    return Drawing(name, tag.format(data_uri(image), image.width, says), caption, wide=True)


def save_image(image: Image, path: Path) -> Path:
    """Write a picture as a PNG.

    Raises: OutputError.
    """
    return write_atomically(path, lambda scratch: image.save(scratch, format="PNG", optimize=True))


def data_uri(image: Image) -> str:
    """The picture as the address of a PNG within a page."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
