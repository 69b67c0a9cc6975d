"""The command line's table of contents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from .. import __version__
from .bake import bake, unbake
from .demo import demo
from .diagnose import diagnose
from .evaluate import evaluate_app
from .generate import generate
from .inspect import inspect
from .registered import with_registered
from .train import train_app
from .tune import tune

__all__ = ["make_app"]

CONTENTS: dict[Callable[..., None], str] = {  # in a line each
    demo: "See a personalised model that has collapsed, and the cure.",
    generate: "Draw a personalised concept, adjusted.",
    inspect: "Show what embedding files hold.",
    tune: "Find the adjustment that serves a concept best.",
    diagnose: "Measure what a concept does to the rest of the prompt.",
    bake: "Write the adjustment into an embedding or LoRA file.",
    unbake: "Give back the file that was baked.",
}


def make_app() -> typer.Typer:
    """The whole command line, with an option for everything that is registered by now."""
    app = typer.Typer(
        name="uncollapse",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(about)
    for command, says in CONTENTS.items():
        app.command(short_help=says)(with_registered(command))
    app.add_typer(train_app(), name="train")
    app.add_typer(evaluate_app(), name="evaluate")
    return app


def about(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """See personalised models forget the rest of the prompt, and cure them without training."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
