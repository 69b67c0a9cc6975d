"""Figures in the house's style: an empty one to draw on, what is said below it, and how it is written.

Colours are Okabe and Ito's, which stay apart for colour-blind readers; nothing is told by colour alone.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..output import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "PURPLE", "RED", "SKY", "Plot", "as_svg", "new", "save"]

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8a939e"
SKY, PURPLE = "#56B4E9", "#CC79A7"
STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "figure.dpi": 110,
}


@dataclass(frozen=True)
class Plot:
    """A figure that was drawn, and how a page shows it.

    Args:
        figure: matplotlib's.
        caption: what is said below it.
        wide: whether it takes the whole width of the page.
    """

    figure: Figure
    caption: str
    wide: bool = False


def new(width: float = 6.4, height: float = 3.4, columns: int = 1, rows: int = 1) -> tuple[Figure, Any]:
    """An empty figure, in inches, and its axes: one, or an array of them."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns)


def as_svg(figure: Figure) -> str:
    """The figure as an SVG element, to stand in a page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def save(figure: Figure, path: Path) -> Path:
    """Write the figure in the format of the name's ending: PNG, SVG.

    Raises: OutputError.
    """
    return write_atomically(path, lambda scratch: figure.savefig(scratch, format=path.suffix[1:], dpi=150))
