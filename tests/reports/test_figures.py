"""Figures: whatever a name holds, they are drawn, and an SVG is one."""

from xml.etree import ElementTree

import pytest

from uncollapse.reports.figures import as_svg, new, save

ODD = ["$\\frac$", "a $x$ b", "\x1b[31mred", "a\x00b", "\u202egnp.tac", "<b>&"]


@pytest.mark.filterwarnings("ignore:Glyph")  # which the font lacks
@pytest.mark.parametrize("name", ODD)
def test_a_name_may_hold_anything(tmp_path, name):
    figure, axes = new()
    axes.bar([name, "b"], [1, 2], label=name)
    axes.set_title(name)
    axes.set_yticks([0, 1], [name, "one"])
    axes.text(0.5, 0.5, name)
    axes.annotate(name, (0, 0))
    axes.legend(title=name)
    ElementTree.fromstring(as_svg(figure))
    ElementTree.parse(save(figure, tmp_path / "figure.svg"))
    assert save(figure, tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
