"""Figures: whatever a name holds, they are drawn; words stay words; no legend hides a curve."""

from xml.etree import ElementTree

import pytest

from uncollapse.reports.figures import as_png, as_svg, legend_below, new

ODD = ["$\\frac$", "a $x$ b", "\x1b[31mred", "a\x00b", "\u202egnp.tac", "<b>&"]


@pytest.mark.filterwarnings("ignore:Glyph")  # which the font lacks
@pytest.mark.parametrize("name", ODD)
def test_a_name_may_hold_anything(name):
    figure, axes = new(3, 2)
    axes.bar([name, "b"], [1, 2], label=name)
    axes.set_title(name)
    axes.set_yticks([0, 1], [name, "one"])
    axes.text(0.5, 0.5, name)
    axes.annotate(name, (0, 0))
    legend_below(figure)
    ElementTree.fromstring(as_svg(figure))
    assert as_png(figure).startswith(b"\x89PNG")


def test_words_stay_words_in_a_family_that_readers_have():
    figure, axes = new(3, 2)
    axes.set_title("heard of the context")
    found = ElementTree.fromstring(as_svg(figure))
    [title] = [
        each for each in found.iter("{http://www.w3.org/2000/svg}text") if each.text == axes.get_title()
    ]
    assert title.get("style").endswith("'DejaVu Sans', 'Verdana', sans-serif; text-anchor: middle")


def test_a_legend_of_many_curves_stands_below_them():
    figure, axes = new()
    for i in range(7):
        axes.plot([0, 1], [i, 7 - i], label=f"heard with adjustment {i}")
    other = figure.axes[0].twinx()
    other.plot([0, 1], [0, 1], label="heard with adjustment 0")  # named once
    legend_below(figure)
    as_png(figure)
    [legend] = figure.legends
    assert len(legend.get_texts()) == 7
    top = legend.get_window_extent().ymax
    assert top <= axes.get_tightbbox().ymin
    assert legend.get_window_extent().xmin >= 0
    assert legend.get_window_extent().xmax <= figure.bbox.xmax


def test_without_a_name_there_is_no_legend():
    figure, axes = new(3, 2)
    axes.plot([0, 1], [0, 1])
    legend_below(figure)
    assert not figure.legends
