"""Cells, arranged: nothing averaged that does not belong together, nothing missing that is not counted."""

from dataclasses import replace

import pytest

from toys.cells import ARMS, LIKENESS, cells_of, random_cells
from uncollapse.errors import EvaluationError
from uncollapse.evaluation.statistics import level, sheet, sheets
from uncollapse.evaluation.statistics.sheets import prompt_means

ONE = cells_of(lambda *_: 1.0)


def test_two_identities_or_methods_are_never_averaged():
    other = [replace(cell, score=LIKENESS) for cell in ONE]
    with pytest.raises(EvaluationError, match=r"2 scores, which are never averaged: clip_i.*; clip_t"):
        sheet([*ONE, *other])
    with pytest.raises(EvaluationError, match="2 methods, which are never averaged: LoRA; TI"):
        sheet([*ONE, *(replace(cell, method="TI") for cell in ONE)])
    assert [each.score for each in sheets([*ONE, *other])] == [ONE[0].score, LIKENESS]


def test_one_picture_is_not_counted_twice():
    with pytest.raises(EvaluationError, match=r"two figures of one picture: .*'personalised', concept 'cat'"):
        sheet([*ONE, ONE[0]])


def test_of_nothing_there_is_no_mean():
    with pytest.raises(EvaluationError, match="no cells"):
        sheet([])


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_what_has_no_figure_is_counted_for_its_arm(nothing):
    cells = cells_of(lambda c, arm, p, seed: nothing if (c, arm, seed) == ("cat", ARMS[1], 0) else 1.0)
    found = sheet(cells)
    assert [found.missing(arm) for arm in ARMS] == [0, 2]
    assert level(found, ARMS[1]).missing == 2
    assert level(found, ARMS[1]).pictures == 10


def test_a_picture_that_one_arm_lacks_altogether_is_missing_too():
    found = sheet(ONE[:-1])
    assert [found.missing(arm) for arm in ARMS] == [0, 1]


def test_yes_and_no_are_per_cent():
    found = sheet(cells_of(lambda c, *_: float(c == "cat"), score="context_kept|judge"))
    assert level(found, ARMS[0]).interval.value == pytest.approx(100 / 3)


def test_an_arm_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(EvaluationError, match=r"'none' is no arm of LoRA, which has 'personalised', 'TEA"):
        sheet(ONE).of("none")


def test_means_do_not_depend_on_the_order_of_the_cells():
    cells = random_cells()
    assert level(sheet(cells), ARMS[0]).interval.value == pytest.approx(
        level(sheet(cells[::-1]), ARMS[0]).interval.value
    )


def test_seeds_are_averaged_within_their_prompt():
    values = {("cat", "a", 0): 1.0, ("cat", "a", 1): 3.0, ("cat", "b", 0): 7.0}
    assert prompt_means(values) == {"cat": {"a": 2.0, "b": 7.0}}
