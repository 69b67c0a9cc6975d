"""A table in the terminal, and the list of files that a command has written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table as Grid

from ..reports.plain_text import visible
from ..reports.table import Table, brief
from .console import stdout

__all__ = ["print_files", "print_table"]


def print_table(table: Table, decimals: int = 2) -> None:
    """The table without title and notes; figures are set right, and what there is no room for is folded.

    Args:
        decimals: that figures are written with.
    """
    grid = Grid(box=SIMPLE_HEAD, pad_edge=False)
    columns = []
    for i, name in enumerate(table.head):
        right = table.is_right(i) or (not table.align and table.holds_figures(i))
        grid.add_column(escape(visible(name)), justify="right" if right else "left", overflow="fold")
        columns.append([escape(visible(each)) for each in brief([row[i] for row in table.rows], decimals)])
    for row in zip(*columns, strict=True):
        grid.add_row(*row)
    stdout().print(grid)


def print_files(files: Mapping[str, Path], width: int = 10) -> None:
    """A line a file: what it is, ``width`` characters wide, and where."""
    for name, path in files.items():
        stdout().print(f"{name.replace('_', ' '):{width}} {path}", markup=False, soft_wrap=True)
