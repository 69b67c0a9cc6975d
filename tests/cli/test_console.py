"""What files and people call things reaches the terminal as text: no markup, nothing that it would act on."""

import json
import warnings

import pytest
import typer

from uncollapse.cli.console import command, print_json, say, stderr, stdout
from uncollapse.cli.tables import print_files, print_table
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
