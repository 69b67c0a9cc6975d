"""Figures at the pace of tests: where nobody looks at them, their words alone are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from xml.sax.saxutils import escape

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image


@contextmanager
def sketched() -> Iterator[None]:
    """Within it a PNG is blank, of its size; an SVG holds what would be written in it, and no line."""

    def sketch(figure: Figure, to, *, format: str, dpi: float = 72, **how) -> None:
        size = tuple(round(inches * dpi) for inches in figure.get_size_inches())
        if format == "png":
            Image.new("L", size).save(to, "PNG")
            return
        words = "".join(f"<text>{escape(each.get_text())}</text>" for each in figure.findobj(Text))
        to.write(f'<svg xmlns="http://www.w3.org/2000/svg">{words}</svg>\n'.encode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", sketch)
        yield
