"""``uncollapse evaluate report``: what an evaluation comes to, as a page, as tables and as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from ..comparison import PERSONALISED
from ..errors import OutputError, Setting, UncollapseWarning
from ..evaluation.cell_files import cells_at
from ..evaluation.cells import Cell
from ..evaluation.report import Findings, as_json, findings, latex, markdown, tables, verdict, write_page
from ..output import check_writable, save_json, save_text
from . import options as o
from .console import command, print_json, progress, say, stdout
from .tables import print_files

__all__ = ["INCOMPLETE", "Evaluated", "report"]

INCOMPLETE = 3  # the exit code where figures are missing
NAMED = 5  # of what is missing

Evaluated = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or a file of cells.")]


@command
def report(
    run: Evaluated,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="What to write: a file that ends in .html, .md, .tex or .json; repeat for several. By "
            "default report.html beside the cells.",
        ),
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="The arm that the others are held against.")
    ] = PERSONALISED.name,
    margin: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="How many points of likeness may be lost and still count as not worse; without it nothing "
            "is declared of the likeness.",
        ),
    ] = None,
    context: Annotated[str | None, typer.Option(help="The score that tells of the context.")] = None,
    likeness: Annotated[str | None, typer.Option(help="The score that tells of the likeness.")] = None,
    json: o.Json = False,
) -> None:
    """Report an evaluation: what every arm gains over the baseline, with intervals over concepts.

    Exit code 3 says that figures are missing, and which.
    """
    cells, folder = cells_at(run)
    files = [_named(file) for file in output or [folder / "report.html"]]
    for file in files:
        check_writable(file.parent)
    found = findings(cells, baseline, margin, context, likeness)
    settings = {
        "cells": run.name,
        "baseline": baseline,
        "margin of the likeness": margin,
        "context": found.context,
        "likeness": found.likeness,
    }
    pictures = len({cell.picture for cell in cells if cell.picture})
    with progress("Pictures", pictures) as advance:
        for file in files:
            _write(found, file, folder, settings, advance)
    if json:
        print_json(as_json(found))
    else:
        said = verdict(found)
        for text in (f"{said.word}.", *said.reasons):
            stdout().print(text, markup=False)
        print_files({file.suffix[1:]: file for file in files}, 6)
    if lacking := [cell for cell in cells if cell.value is None]:
        say([_missing(lacking, len(cells))])
        raise typer.Exit(INCOMPLETE)


def _named(file: Path) -> Path:
    """Raises: OutputError, for a name that says no format."""
    if file.suffix not in {".html", *WRITERS}:
        raise OutputError(
            f"'{file}' does not say what to write. Give a name that ends in .html, .md, .tex or .json with ",
            Setting("output"),
            ".",
        )
    return file


def _write(
    found: Findings,
    file: Path,
    folder: Path,
    settings: Mapping[str, object],
    advance: Callable[[int], None],
) -> None:
    if file.suffix in WRITERS:
        WRITERS[file.suffix](found, file)
        return
    unreadable = write_page(found, folder, file, settings, advance)
    if unreadable:
        what = f"{unreadable} picture{'s' * (unreadable > 1)} cannot be read; the page says which."
        say([UncollapseWarning(what)])


WRITERS: dict[str, Callable[[Findings, Path], Path]] = {
    ".md": lambda found, file: save_text(markdown(tables(found)), file),
    ".tex": lambda found, file: save_text(latex(tables(found)), file),
    ".json": lambda found, file: save_json(as_json(found), file),
}


def _missing(lacking: list[Cell], total: int) -> str:
    """How many figures are missing, and which are the first."""
    names = [f"{c.method}, {c.arm}, '{c.prompt}' of {c.concept}, seed {c.seed}" for c in lacking]
    first = "; ".join(dict.fromkeys(names[:NAMED]))
    more = "; …" if len(lacking) > NAMED else ""
    return f"Incomplete: {len(lacking)} of {total} figures are missing: {first}{more}."
