"""What was typed is told from what is there by default, and can be typed again."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from typer.testing import CliRunner

from uncollapse.cli.typed import line, typed, without


def given(*arguments):
    """As a command sees it that was called with these."""
    seen = []

    def call(
        context: typer.Context,
        target: str | None = None,
        model: Annotated[list[str] | None, typer.Option()] = None,
        alpha: float = 0.2,
        probe: bool = True,
        json: Annotated[bool, typer.Option("--json")] = False,
        output: Annotated[Path, typer.Option("--output", "-o")] = Path("out"),
    ) -> None:
        seen.append(typed(context))

    app = typer.Typer()
    app.command()(call)
    assert CliRunner().invoke(app, list(arguments)).exit_code == 0
    return seen[0]


def test_only_what_was_typed_is_there():
    assert given() == {}
    assert given("--alpha", "0.2") == {"alpha": ("--alpha", "0.2")}  # as by default, but typed
    words = ("--target", "a b", "--model", "x", "--model", "y", "--no-probe", "--json", "-o", "there")
    assert given(*words) == {
        "target": ("--target", "a b"),
        "model": ("--model", "x", "--model", "y"),
        "probe": ("--no-probe",),
        "json": ("--json",),
        "output": ("--output", "there"),
    }


def test_it_can_be_typed_again():
    words = given("--model", "my model", "--probe", "--json")
    again = line("diagnose", "--images", "1", None, given=without(words, "json"))
    assert again == "uncollapse diagnose --model 'my model' --probe --images 1"
    assert given(*shlex.split(again)[2:-2]) == without(words, "json")
