"""A table in the terminal, and the list of files that a command has written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD as HEAD
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table as Grid

from ..reports.plain_text import visible
from ..reports.table import Cell, Table, brief
from .console import stdout

__all__ = ["print_files", "print_table"]

GAP = "  "  # between columns


def print_table(table: Table, decimals: int = 2) -> None:
    """The table without title and notes; figures are set right, and what there is no room for is folded.

    No word is: where one would have to be, each row is a list, a line a column.

    Args:
        decimals: that figures are written with.
    """
    head = [visible(name) for name in table.head]
    columns = [[visible(each) for each in brief(column, decimals)] for column in _columns(table)]
    words = [_longest(" ".join([name, *cells])) for name, cells in zip(head, columns, strict=True)]
    console = stdout()
    room = console.width - len(GAP) * (len(head) - 1) - 1
    if sum(words) > room:
        _print_lists(head, columns)
        return
    whole = [max(map(cell_len, [name, *cells])) for name, cells in zip(head, columns, strict=True)]
    widths = _fitted(whole, words, room)
    grid = Grid(box=HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for i, name in enumerate(head):
        right = table.is_right(i) or (not table.align and table.holds_figures(i))
        grid.add_column(escape(name), justify="right" if right else "left", width=widths[i])
    for row in zip(*columns, strict=True):
        grid.add_row(*map(escape, row))
    console.print()
    console.print(grid)
    console.print()


def _fitted(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Column widths that fit: the widest give way first, and none further than to its longest word."""
    fitted = list(widths)
    while sum(fitted) > room:
        widest = max((i for i in range(len(fitted)) if fitted[i] > least[i]), key=fitted.__getitem__)
        fitted[widest] -= 1
    return fitted


def _columns(table: Table) -> list[list[Cell]]:
    return [[row[i] for row in table.rows] for i in range(len(table.head))]


def _longest(text: str) -> int:
    return max(map(cell_len, text.split()), default=1)


def _print_lists(head: Sequence[str], columns: Sequence[Sequence[str]]) -> None:
    """The first cell of a row, and below it the others, each with its column's name."""
    console, width = stdout(), max(map(cell_len, head[1:]), default=0)
    for first, *others in zip(*columns, strict=True):
        console.print()
        console.print(f"{head[0]}{GAP}{first}".strip(), markup=False, soft_wrap=True)
        for name, cell in zip(head[1:], others, strict=True):
            padding = " " * (width - cell_len(name))
            console.print(f"{GAP}{name}{padding}{GAP}{cell}", markup=False, soft_wrap=True)
    console.print()


def print_files(files: Mapping[str, Path], width: int = 10) -> None:
    """A line a file: what it is, ``width`` characters wide, and where."""
    for name, path in files.items():
        stdout().print(f"{name.replace('_', ' '):{width}} {path}", markup=False, soft_wrap=True)
