"""What differs between two evaluations."""

import json
import math
from dataclasses import replace

import pytest

from toys.cells import ARMS, CONTEXT, LIKENESS, cells_of, random_cells
from uncollapse.errors import FileFormatError
from uncollapse.evaluation.differences import differences, settings_of
from uncollapse.evaluation.statistics import gain, sheet

CELLS = random_cells()


def test_a_run_differs_from_itself_by_nothing():
    found = differences(CELLS, CELLS, ({"a": 1}, {"a": 1}))
    assert not found.settings
    assert not found.only
    assert not found.identities
    assert {(n.gain.interval.value, n.gain.p, n.gain.missing) for n in found.numbers} == {(0.0, 1.0, 0)}
    assert [table.title for table in found.tables] == ["Figures"]


def test_numbers_are_paired_as_an_arm_is_with_its_baseline():
    base = [cell for cell in CELLS if cell.arm == ARMS[0]]
    other = [replace(cell, arm=ARMS[0]) for cell in CELLS if cell.arm == ARMS[1]]
    [number] = differences(base, other).numbers
    expected = gain(sheet(CELLS), ARMS[1], ARMS[0])
    assert number.gain.interval == expected.interval
    assert number.gain.p == expected.p


def test_what_only_one_has_is_said_and_not_compared():
    fewer = [cell for cell in CELLS if cell.concept != "concept 0"]
    found = differences(fewer, [*CELLS, *cells_of(lambda *_: 1.0, score=LIKENESS, seeds=1)])
    assert found.only["concepts"] == ([], ["concept 0", "cat", "dog", "teapot"])
    assert found.only["scores"] == ([], [LIKENESS])
    assert {number.score for number in found.numbers} == {CONTEXT}
    assert {number.gain.missing for number in found.numbers} == {6}
    assert found.numbers[0].means[0] == pytest.approx(found.numbers[0].means[1])


def test_scores_of_one_name_say_in_what_they_differ():
    other = [replace(cell, score="clip_t|other|text=context|mean") for cell in CELLS]
    found = differences(CELLS, other)
    assert dict(found.identities) == {"CLIP-T context": ("toy", "other")}
    assert list(found.numbers) == []


def test_where_no_place_is_shared_nothing_is_said():
    other = [replace(cell, seed=cell.seed + 100) for cell in CELLS]
    assert all(math.isnan(number.gain.interval.value) for number in differences(CELLS, other).numbers)
    assert differences(CELLS, other).tables


def test_settings_are_told_apart_as_deep_as_they_come(tmp_path):
    (tmp_path / "run.json").write_text(
        json.dumps({"settings": {"steps": 20, "size": [1, 2]}}), encoding="utf-8"
    )
    one = settings_of(tmp_path)
    found = differences(CELLS, CELLS, (one, {"settings": {"steps": 30, "size": [1, 2]}, "base": "x" * 99}))
    assert found.settings["settings.steps"] == ("20", "30")
    assert found.settings["base"] == ("–", "x" * 59 + "…")
    assert len(found.settings) == 2
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"run.json' cannot be read"):
        settings_of(tmp_path)
    assert settings_of(tmp_path / "cells.jsonl") == {}
