"""Figures in the house's style: an empty one to draw on, its legend, its caption, and how it is written.

Colours are Okabe and Ito's, which stay apart for colour-blind readers; nothing is told by colour alone.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .plain_text import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "RED",
    "SKY",
    "Plot",
    "as_png",
    "as_svg",
    "legend_below",
    "new",
]

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8a939e"
SKY, PURPLE = "#56B4E9", "#CC79A7"
STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],  # the first two are equally wide
    "figure.dpi": 110,
}


@dataclass(frozen=True)
class Plot:
    """A figure that was drawn, and how a page shows it.

    Args:
        figure: matplotlib's.
        caption: what is said below it.
        wide: whether it takes the whole width of the page.
        aside: whether it is folded away, for those who want to know more.
    """

    figure: Figure
    caption: str
    wide: bool = False
    aside: bool = False


def new(width: float = 5.6, height: float = 3.4, columns: int = 1, rows: int = 1) -> tuple[Figure, Any]:
    """An empty figure, in inches, and its axes: one, or an array of them."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns)


def legend_below(figure: Figure, longest_line: int = 66) -> None:
    """One legend for all axes, below them, where it hides no curve; in as many columns as its words allow.

    Args:
        longest_line: how many characters a line of it may have.
    """
    labelled: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labelled.setdefault(label, handle)
    if labelled:
        columns = max(1, longest_line // (max(map(len, labelled)) + 6))
        figure.legend(
            labelled.values(), labelled, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
        )


def as_svg(figure: Figure) -> str:
    """The figure as the text of an SVG file; its words stay words, which a reader can search for."""
    return visible(_drawn(figure, "svg", metadata={"Date": None}).decode())


def as_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    return _drawn(figure, "png", dpi=150)


def _drawn(figure: Figure, kind: str, **how: Any) -> bytes:
    """The file's bytes. Names in it are taken as they are: "$" begins no formula, and all can be seen.

    What stands where is found out once, for that takes longest.
    """
    import matplotlib as mpl
    from matplotlib.text import Text

    buffer = io.BytesIO()
    with mpl.rc_context({**STYLE, "text.parse_math": False}):
        for text in figure.findobj(Text):
            text.set_parse_math(False)
            text.set_text(visible(text.get_text()))
        figure.savefig(buffer, format=kind, **how)
    figure.set_layout_engine("none")
    return buffer.getvalue()
