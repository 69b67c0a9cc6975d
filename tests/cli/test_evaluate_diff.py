"""``uncollapse evaluate diff`` and ``label``."""

import json
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from toys.cells import random_cells
from toys.vlm import make_run
from uncollapse.cli.evaluate_diff import diff
from uncollapse.cli.evaluate_label import label
from uncollapse.evaluation.cell_files import write_cells


def run(command, *arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_two_runs_are_told_apart(tmp_path):
    cells = random_cells()
    one = write_cells(cells, tmp_path / "one" / "cells.jsonl").parent
    two = write_cells([replace(cell, value=cell.value + 1) for cell in cells], tmp_path / "two.jsonl")
    (one / "run.json").write_text('{"settings": {"steps": 20}}', encoding="utf-8")
    said = run(diff, one, two).stdout
    assert "settings.steps" in said
    assert "Settings that differ" in said
    assert "exact sign-flip test" in " ".join(said.split())
    data = json.loads(run(diff, one, two, "--json").stdout)
    assert [round(n["gain"]["interval"]["value"], 6) for n in data["numbers"]] == [1.0, 1.0]
    assert run(diff, one, tmp_path / "none.jsonl").exit_code == 2


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    write_cells(make_run(folder, folder / "photos"), folder / "cells.jsonl")
    return folder


def test_a_page_is_written_and_ratings_are_told(pets, tmp_path):
    result = run(label, pets, "--photos", pets / "photos", "-n", 6, "-o", tmp_path / "label.html")
    assert result.exit_code == 0, result.output
    ids = [
        each.split('"')[0]
        for each in (tmp_path / "label.html").read_text(encoding="utf-8").split('"id":"')[1:]
    ]
    assert len(ids) == 6
    for name, grades in (("a", [0, 1, 2, 3, 4, 4]), ("b", [0, 1, 2, 3, 4, 3])):
        both = dict(zip(ids, grades, strict=True))
        saved = {"rater": name, "grades": {"prompt": both, "image": both}}
        (tmp_path / f"{name}.json").write_text(json.dumps(saved), encoding="utf-8")
    files = [part for name in "ab" for part in ("--ratings", tmp_path / f"{name}.json")]
    said = run(label, pets, "--photos", pets / "photos", *files).stdout
    assert "2 people rated 6 pictures of this run" in said
    assert "prompt: alpha with each other 0.9" in said
