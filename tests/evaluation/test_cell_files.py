"""Cells in files: what was written is read, and what is no cell is refused with its line."""

import json
from dataclasses import asdict, replace

import pytest

from toys.cells import cells_of
from uncollapse.errors import FileFormatError
from uncollapse.evaluation.cell_files import cells_at, read_cells, write_cells

CELLS = [
    *cells_of(lambda *_: 1.5, prompts=["{} with “quotes” and α"]),
    replace(cells_of(lambda *_: None)[0], seed=9, picture="images/a.png"),
]


def test_what_was_written_is_read(tmp_path):
    path = write_cells(CELLS, tmp_path / "cells.jsonl")
    assert read_cells(path) == CELLS
    assert cells_at(tmp_path) == (CELLS, tmp_path)
    assert cells_at(path) == (CELLS, tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"value": "high"}, "value is neither a number nor null"),
        ({"value": True}, None),
        ({"seed": 1.5}, "seed is no whole number"),
        ({"arm": None}, "arm is no text"),
        ({"picture": "../secret.png"}, "within this folder"),
        ({"picture": "/etc/x.png"}, "within this folder"),
        ({"colour": "red"}, "a cell has no colour"),
    ],
)
def test_what_is_no_cell_is_refused_with_its_line(tmp_path, changes, says):
    lines = [json.dumps(asdict(CELLS[0])), json.dumps(asdict(CELLS[1]) | changes)]
    path = tmp_path / "cells.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    if says is None:  # yes and no are 1 and 0
        assert read_cells(path)[1].value == 1.0
        return
    with pytest.raises(FileFormatError, match=f"line 2, is no cell: .*{says}"):
        read_cells(path)


@pytest.mark.parametrize("text", ["[1]", "{", '{"concept": "cat"}', '{"value": NaN}'])
def test_other_json_is_no_cell(tmp_path, text):
    (tmp_path / "cells.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(FileFormatError, match="line 1, is no cell"):
        read_cells(tmp_path / "cells.jsonl")


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(FileFormatError, match=r"Give a run's folder"):
        cells_at(tmp_path)
    (tmp_path / "cells.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(FileFormatError, match="not UTF-8"):
        cells_at(tmp_path)
