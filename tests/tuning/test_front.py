"""The figure of the front, and what the report says."""

from itertools import product

import pytest

from toys.comparisons import CONCEPT
from uncollapse.tuning import Candidate, Keep, Tuned
from uncollapse.tuning.front import front, unbeaten
from uncollapse.tuning.report import sentence, table

BEST = Candidate("tea:alpha=0/1/1,beta=1", 0.9, 0.3, 12, 0.95, 0.9, close=True)
LEVEL = Candidate("lora:text=0.25", 0.8, 0.4, 12, 0.9, 0.95, close=True)
WORSE = Candidate("tea:alpha=0.8,beta=1", 0.9, 0.2, 4, 0.9, 0.6)
UNDRAWN = Candidate("tea:alpha=0.4,beta=1", 0.2, 0.9)
FOUND = Tuned(CONCEPT, Keep(), (BEST, LEVEL, WORSE, UNDRAWN))


def test_the_front_are_those_that_none_beats_in_both():
    points = {f"{x}{y}": (x, y) for x, y in [(0, 3), (1, 2), (1, 1), (3, 0), (2, 0)]}
    beaten = [
        a
        for (a, p), q in product(points.items(), points.values())
        if p != q and q[0] >= p[0] and q[1] >= p[1]
    ]
    assert unbeaten(points) == [name for name in points if name not in beaten] == ["03", "12", "30"]


@pytest.mark.parametrize(("wish", "dotted"), [("balance", False), ("likeness 90%", True), ("context", True)])
def test_every_way_that_drew_is_a_point_with_its_name(wish, dotted):
    plot = front(Tuned(CONCEPT, Keep.parsed(wish), FOUND.candidates))
    [axes] = plot.figure.axes
    names = [text.get_text() for text in axes.texts]
    assert names[:2] == ["personalised", "base"]
    assert sorted(names[2:]) == ["TEA α 0.8 · 4", "TEA α 0/1/1 · 12", "text LoRA × 0.25 · 12"]
    heights = sorted(text.xyann[1] for text in axes.texts[2:])
    assert min(b - a for a, b in zip(heights, heights[1:], strict=False)) > 0.07
    points = {tuple(map(tuple, line.get_xydata())) for line in axes.lines}
    assert {((95.0, 90.0),), ((90.0, 95.0),), ((90.0, 60.0),)} <= {
        tuple((round(x, 6), round(y, 6)) for x, y in each) for each in points
    }
    joined = max(points, key=len)
    assert [tuple(round(x) for x in each) for each in joined] == [(0, 100), (90, 95), (95, 90), (100, 0)]
    assert ("Dotted" in plot.caption) is dotted


def test_what_is_hardly_told_apart_is_said():
    assert "hardly tell it from text LoRA × 0.25, to be trusted less" in sentence(FOUND)
    assert "hardly" not in sentence(Tuned(CONCEPT, Keep(), (BEST, WORSE)))


def test_the_table_has_all_that_were_tried():
    rows = table(FOUND).rows
    assert rows[0] == ["TEA α 0/1/1", 0.9, "95%", "90%", 12]
    assert rows[-1] == ["TEA α 0.4", 0.2, None, None, None]
