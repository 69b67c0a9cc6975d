"""Figures in the house's style: an empty one to draw on, what is said below it, and how it is written.

Colours are Okabe and Ito's, which stay apart for colour-blind readers; nothing is told by colour alone.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..output import write_atomically
from .plain_text import visible

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
    text = _drawn(figure, "svg", metadata={"Date": None}).decode()
    return text[text.index("<svg") :]


def save(figure: Figure, path: Path) -> Path:
    """Write the figure in the format of the name's ending: PNG, SVG.

    Raises: OutputError.
    """
    made = _drawn(figure, path.suffix[1:], dpi=150)
    return write_atomically(path, lambda scratch: scratch.write_bytes(made))


def _drawn(figure: Figure, kind: str, **how: Any) -> bytes:
    """The file's bytes. Names in it are taken as they are: "$" begins no formula, and all can be seen."""
    import matplotlib as mpl
    from matplotlib.text import Text

    buffer = io.BytesIO()
    with mpl.rc_context({"text.parse_math": False}):
        for text in figure.findobj(Text):
            text.set_parse_math(False)
            text.set_text(visible(text.get_text()))
        figure.savefig(buffer, format=kind, **how)
    made = buffer.getvalue()
    return visible(made.decode()).encode() if kind == "svg" else made
