"""A table holds values, written where it is shown; its columns are picked, joined and turned by name."""

import math

import pytest

from uncollapse.metrics.certainty import Share
from uncollapse.metrics.sets.bootstrap import Interval
from uncollapse.reports.table import Table, brief, written

TABLE = Table(
    "By step",
    ["step", "heard", "word"],
    [[0, Interval(0.984, 0.98, 0.99), "healthy"], [10, Interval(0.5, math.nan, math.nan), "dominating"]],
    ["a note"],
)


@pytest.mark.parametrize(
    ("cell", "in_full", "in_brief"),
    [
        ("0.5000", "0.5000", "0.5000"),
        (7, "7", "7"),
        (None, "–", "–"),
        (math.nan, "–", "–"),
        (-math.inf, "–", "–"),
        (0.0396, "0.0396", "0.040"),
        (-6.7e-17, "-6.7e-17", "0.000"),
        (1.0, "1", "1.000"),
        (12.345, "12.3", "12.3"),
        (123.45, "123", "123"),
        (Interval(0.984, 0.98, 0.99), "0.984 [0.98–0.99]", "0.984"),
        (Interval(0.2, -0.12, 0.5), "0.2 [-0.12 to 0.5]", "0.200"),
        (Interval(0.5, math.nan, math.nan), "0.5", "0.500"),
        (Share(1, 2, 50.0, 9.5, 90.5), "50% [10–90]", "50% [10–90]"),
    ],
)
def test_cells_are_written_in_full_or_in_brief(cell, in_full, in_brief):
    assert (written(cell), brief([cell], 3)) == (in_full, [in_brief])


def test_a_column_in_brief_has_its_digits_below_each_other():
    assert brief([8.4, Interval(66.67, 60, 70), None, "word"], 3) == ["8.4", "66.7", "–", "word"]


def test_a_page_has_the_digits_of_a_column_or_of_a_row_below_each_other():
    rows = [
        ["a", 0.1, Interval(0.118, 0.0707, 0.2), 12.0],
        ["b", 0.0607, Interval(1.5, math.nan, 2), -1e-9],
        ["c", 100.0, None, 3],
    ]
    table = Table("", ["", "x", "y", "z"], rows)
    assert table.texts == [
        ["a", "0", "0.12 [0.07–0.20]", "12.0"],
        ["b", "0", "1.50", "0.0"],
        ["c", "100", "–", "3"],
    ]
    rowwise = Table(
        "", ["", "x", "y"], [["a", 0.1, 0.0607], ["b", 123.4, 1.0], ["c", 0.0, None]], alike="rows"
    )
    assert rowwise.texts == [["a", "0.100", "0.061"], ["b", "123", "1"], ["c", "0.00", "–"]]
    assert rowwise.turned().texts == [["x", "0.100", "123", "0.00"], ["y", "0.061", "1", "–"]]
    assert rowwise.columns({"": "", "y": "y"}).alike == "rows"
    assert Table("", ["a"], []).texts == []


def test_columns_are_picked_by_name_and_named_anew():
    picked = TABLE.columns({"word": "verdict", "step": "step"})
    assert picked == Table("By step", ["verdict", "step"], [["healthy", 0], ["dominating", 10]])
    aligned = Table("", TABLE.head, TABLE.rows, align="rlr").columns({"heard": "h", "step": "s"})
    assert aligned.align == "lr"
    with pytest.raises(ValueError, match="presence"):
        TABLE.columns({"presence": "presence"})


def test_tables_stand_beside_each_other_row_by_row():
    other = Table("", ["step", "kept"], [[10, 0.5], [20, 0.1]], ["another"])
    both = TABLE.beside(other)
    assert both.head == ["step", "heard", "word", "kept"]
    assert [row[-1] for row in both.rows] == [None, 0.5]
    assert both.notes == ["a note", "another"]


def test_a_turned_table_has_a_column_a_row():
    turned = Table("", ["", "a", "b"], [["one", 1, 2], ["two", 3, 4]], align="lrr").turned()
    assert (turned.head, turned.rows) == (["", "one", "two"], [["a", 1, 3], ["b", 2, 4]])
    assert [turned.is_right(i) for i in range(3)] == [False, True, True]


def test_figures_are_told_from_words():
    assert [TABLE.holds_figures(i) for i in range(3)] == [True, True, False]
    assert [TABLE.is_right(i) for i in range(3)] == [True, True, False]
