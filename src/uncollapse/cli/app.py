"""The command line's table of contents."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from .bake import bake, unbake
from .demo import demo
from .diagnose import diagnose
from .generate import generate
from .inspect import inspect
from .registered import with_registered
from .train import train_app

__all__ = ["make_app"]


def make_app() -> typer.Typer:
    """The whole command line, with an option for everything that is registered by now."""
    app = typer.Typer(
        name="uncollapse",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(about)
    app.command()(with_registered(demo))
    app.command()(with_registered(generate))
    app.command()(inspect)
    app.command()(with_registered(diagnose))
    app.command()(bake)
    app.command()(unbake)
    app.add_typer(train_app(), name="train")
    return app


def about(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """See personalised models forget the rest of the prompt, and cure them without training."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
