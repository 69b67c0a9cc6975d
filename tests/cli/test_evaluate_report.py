"""``uncollapse evaluate report``."""

import json
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from toys.cells import ARMS, LIKENESS, cells_of
from uncollapse.cli.evaluate_report import report
from uncollapse.evaluation.cell_files import write_cells

CELLS = [
    *cells_of(lambda c, a, p, s: len(c) + 5 * (a == ARMS[1]) + len(c) * (a == ARMS[1]) / 10),
    *cells_of(lambda c, a, p, s: 80.0 + len(c) - (a == ARMS[1]) * len(c) / 10, score=LIKENESS),
]


def run(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(report)
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def cells(tmp_path):
    return write_cells(CELLS, tmp_path / "cells.jsonl")


def test_it_writes_what_the_endings_say_and_tells_what_holds(cells, tmp_path):
    files = [tmp_path / f"r.{ending}" for ending in ("html", "md", "tex", "json")]
    result = run(cells, "--margin", 2, *(part for file in files for part in ("-o", file)))
    assert result.exit_code == 0, result.output
    assert "1 of 1 way of drawing does what was declared" in result.output
    assert [file.exists() for file in files] == [True] * 4
    assert json.loads(files[3].read_text(encoding="utf-8"))["baseline"] == "personalised"


def test_of_a_folder_the_report_goes_into_it(cells, tmp_path):
    assert run(tmp_path).exit_code == 0
    assert (tmp_path / "report.html").exists()


def test_figures_that_are_missing_end_it_with_3_and_are_named(cells, tmp_path):
    write_cells([replace(CELLS[0], value=None), *CELLS[1:]], cells)
    result = run(cells, "-o", tmp_path / "r.md")
    assert result.exit_code == 3
    assert "1 of 48 figures are missing: LoRA, personalised, 'a photo of {}" in result.stderr
    assert (tmp_path / "r.md").exists()


def test_json_can_be_piped(cells):
    assert json.loads(run(cells, "--json").stdout)["claims"]


def test_an_ending_that_says_nothing_is_refused_before_the_work(cells, tmp_path):
    result = run(cells, "-o", tmp_path / "report.pdf")
    assert result.exit_code == 2
    assert "ends in .html, .md, .tex or .json" in result.stderr
