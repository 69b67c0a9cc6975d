"""The help of every command, as it is read in a terminal of 80 columns."""

import re

import typer.main
from typer.testing import CliRunner

from uncollapse.cli.app import make_app

PYTHONS = re.compile(r"\bNone\b|``|Λ|Γ|\(\d|=None|[(.]\w+\(")
NAMES = ("kohya_lora", "q_proj", "k_proj", "v_proj", "out_proj")


def walked(command, path=()):
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from walked(each, (*path, name))


def is_unfit(line):
    settings = re.search(r"[a-z]_[a-z]", re.sub("|".join(NAMES), "", line))
    return len(line) > 80 or line.endswith("...") or PYTHONS.search(line) or settings


def test_no_name_is_cut_and_nothing_is_said_in_python(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    app = typer.main.get_command(make_app())
    commands = list(walked(app))
    assert len(commands) > 10
    unfit = []
    for path, command in commands:
        result = CliRunner().invoke(make_app(), [*path, "--help"])
        assert result.exit_code == 0, result.output
        offered = [each for each in command.params if not getattr(each, "hidden", False)]
        for name in (name for each in offered for name in each.opts if name.startswith("--")):
            assert re.search(rf"{name}(?![\w-])", result.output), (path, name)
        unfit += [(path, line) for line in result.output.splitlines()[1:] if is_unfit(line)]
    assert unfit == []
