"""A table in the terminal: nothing typed is taken for markup, figures stand right, long cells are folded."""

import pytest

from uncollapse.cli.tables import print_files, print_table
from uncollapse.metrics.sets.bootstrap import Interval
from uncollapse.reports.table import Table


def printed(capsys, table, **how):
    print_table(table, **how)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_brackets_are_no_markup(capsys):
    lines = printed(capsys, Table("", ["[red]name"], [["[bold]x[/bold]"]]))
    assert "[red]name" in lines[0]
    assert "[bold]x[/bold]" in lines[-1]


def test_figures_stand_right_and_without_their_intervals(capsys):
    rows = [["a", Interval(0.98412, 0.9, 1.0)], ["long word", Interval(0.5, 0.4, 0.6)]]
    lines = printed(capsys, Table("", ["of", "figure here"], rows), decimals=3)
    assert [line.split()[-1] for line in lines[-2:]] == ["0.984", "0.500"]
    assert len(lines[-2]) == len(lines[-1]) == len(lines[0])


def test_what_has_no_room_is_folded_and_not_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    lines = printed(capsys, Table("", ["word", "count"], [["x" * 60, 3]]))
    assert sum(line.count("x") for line in lines) == 60


def test_no_name_is_broken(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    head = ["file", "placeholder", "anchor", "verdict", "vectors", "× anchor's norm", "lowest cosine"]
    row = ["cat.safetensors", "<my-cat>", "big cat", "dominating", 75, 1.2, 0.33]
    long = ["my-embedding-of-one-particular-cat.safetensors", *row[1:]]
    for each in (row, long):
        lines = printed(capsys, Table("", head, [each, row]))
        assert all(len(line) <= 80 for line in lines)
        assert all(any(str(word) in line for line in lines) for word in (each[0], *row[1:4], *head[:5]))
    assert any(line.split() == ["verdict", "dominating"] for line in lines)


def test_files_are_listed_with_what_they_are(capsys, tmp_path):
    print_files({"contact_sheet": tmp_path / "a.png"}, 14)
    assert capsys.readouterr().out == f"contact sheet  {tmp_path / 'a.png'}\n"


@pytest.mark.parametrize("width", [40, 56, 60, 70, 80, 81, 100])
def test_no_cell_is_cut_at_any_width(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    head = ["", "Base model, “dog”", "Personalised, “sks dog”", "With TEA α 0/1/1", "With text LoRA × 0.25"]
    rows = [["context kept", "100% [82–100]", "0% [0–18]", "67% [44–84]", "52.5 ± 4.4"]] * 2
    print_table(Table("x", head, rows, align="lrrrr"))
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= width
    for word in " ".join([*head, *rows[0]]).split():
        assert word in said
