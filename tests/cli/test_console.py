"""What files and people call things reaches the terminal as text: no markup, nothing that it would act on."""

import io
import json
import warnings

import pytest
import typer
from rich.console import Console

from uncollapse.cli.comparing import drawing
from uncollapse.cli.console import command, print_json, say, stderr, stdout
from uncollapse.cli.tables import print_files, print_table
from uncollapse.cli.train import training_bar
from uncollapse.comparison import PERSONALISED, UserPrompt, tea_arms
from uncollapse.errors import FileFormatError, UncollapseWarning
from uncollapse.reports.table import Table

EVIL = "\x1b]0;owned\x07 [/v] cat \x9b31m"


def test_nothing_reaches_the_terminal_raw(capsys, tmp_path):
    @command
    def failing():
        warnings.warn(EVIL, UncollapseWarning, stacklevel=2)
        say([EVIL])
        raise FileFormatError(EVIL)

    stdout().print(EVIL, markup=False)
    stdout().print(tmp_path / EVIL, markup=False, soft_wrap=True)
    stderr().print(EVIL, markup=False, style="red")
    print_table(Table("", [EVIL], [[EVIL]]))
    print_files({EVIL: tmp_path / EVIL})
    with pytest.raises(typer.Exit):
        failing()
    printed = "".join(capsys.readouterr())
    assert not set("\x1b\x07\x9b") & set(printed)
    assert printed.count("[/v] cat") >= 10


def test_json_says_them_in_full_and_raw_nowhere(capsys):
    print_json({EVIL: [EVIL, float("inf")]})
    text = capsys.readouterr().out
    assert json.loads(text) == {EVIL: [EVIL, None]}
    assert not set("\x1b\x07\x9b") & set(text)


def test_the_bars_say_what_is_being_done(monkeypatch):
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=80)
    monkeypatch.setattr("uncollapse.cli.console.stderr", lambda: terminal)
    monkeypatch.setattr("uncollapse.cli.train.stderr", lambda: terminal)
    prompts = [UserPrompt("a photo of {} in the snow"), UserPrompt("{} " + "very " * 30 + "far")]
    with drawing([PERSONALISED, *tea_arms([0.2])], prompts, range(2)) as advance:
        for count in (2, 2, 3):
            advance(count)
    with training_bar(40) as on_step:
        for step in range(1, 31):
            on_step(step, 0.5 if step <= 10 else 0.25)
    said = [" ".join(line.split()) for line in terminal.file.getvalue().splitlines()]
    for words in (
        "personalised: a photo of … in the snow",
        "personalised: … very very very",
        "TEA α 0.2: a photo of … in the snow",
        "7/8",
        "loss 0.250 (from 0.375)",
        "30/40",
    ):
        assert any(words in line for line in said), (words, said)
