"""``uncollapse evaluate diff``: whether two runs say the same, and if not, why."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..evaluation.cell_files import cells_at
from ..evaluation.differences import differences, settings_of
from . import options as o
from .console import command, print_json, stdout
from .tables import print_table

__all__ = ["diff"]

Run = Annotated[Path, typer.Argument(help="A run's folder, or a file of cells.")]


@command
def diff(first: Run, second: Run, json: o.Json = False) -> None:
    """Tell two runs apart: settings, what was scored and how, then the figures that both have.

    Figures are compared at the same concepts, prompts and seeds, with intervals over concepts.
    """
    settings = (settings_of(first), settings_of(second))
    found = differences(cells_at(first)[0], cells_at(second)[0], settings)
    if json:
        print_json(asdict(found))
        return
    if not found.tables:
        stdout().print("They have nothing in common, and nothing else to tell apart.", markup=False)
    for table in found.tables:
        stdout().print(table.title, style="bold", markup=False)
        print_table(table)
        for note in table.notes:
            stdout().print(note, style="dim", markup=False)
        stdout().print()
