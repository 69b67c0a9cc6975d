"""The command line's table of contents."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from .bake import bake, unbake
from .demo import demo_command
from .diagnose import diagnose
from .generate import generate
from .inspect import inspect
from .train import train

app = typer.Typer(
    name="uncollapse",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo_command())
app.command()(generate)
app.command()(inspect)
app.command()(diagnose)
app.command()(bake)
app.command()(unbake)
app.add_typer(train, name="train")


@app.callback()
def about(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """See personalised models forget the rest of the prompt, and cure them without training."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
