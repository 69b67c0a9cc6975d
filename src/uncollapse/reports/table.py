"""A table: what it is called, its head, its rows, what is to be said below it; for a page and for a terminal.

Cells are values, not texts, and are written where they are shown: a page has room for an interval, a terminal
for the figure alone.

    str                  as it is
    int                  as it is
    float                "–" for nan and infinities, as for None; else so that the largest of those that
    belong
                         together, a column's or a row's, has three significant digits, and all end below each
                         other
    Interval             a float with its 95 % interval
    anything else        as it writes itself (``str``)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..metrics.sets.bootstrap import Interval

__all__ = ["Cell", "Table", "brief", "number", "with_interval", "written"]

Cell = object
NOTHING = "–"
MOST_DECIMALS = 6


@dataclass(frozen=True)
class Table:
    """A title, a head, and rows as wide as it.

    Args:
        title: what is in it.
        head: the columns' names.
        rows: each as many cells as ``head`` has; the first says what the row is about.
        notes: what stands below it.
        align: a letter a column, "l" or "r"; "" for words and figures as they usually stand.
        alike: what belongs together, and so is written with equally many decimals: "columns" or "rows".
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    align: str = ""
    alike: Literal["columns", "rows"] = "columns"

    def columns(self, names: Mapping[str, str]) -> Table:
        """Some of the columns, each under the name that ``names`` maps its own to; no notes."""
        places = [list(self.head).index(name) for name in names]
        return Table(
            self.title,
            list(names.values()),
            [[row[i] for i in places] for row in self.rows],
            align="".join(self.align[i] for i in places) if self.align else "",
            alike=self.alike,
        )

    def beside(self, other: Table) -> Table:
        """With the columns of ``other``, row by row as the first cell says; None where it has no such row."""
        more = {row[0]: row[1:] for row in other.rows}
        nothing = [None] * (len(other.head) - 1)
        return Table(
            self.title,
            [*self.head, *other.head[1:]],
            [[*row, *more.get(row[0], nothing)] for row in self.rows],
            [*self.notes, *other.notes],
            self.align and other.align and self.align + other.align[1:],
            self.alike,
        )

    def turned(self) -> Table:
        """A column for each row, and a row for each column but the first."""
        rows = [[name, *(row[i] for row in self.rows)] for i, name in enumerate(self.head) if i]
        head = [self.head[0], *(written(row[0]) for row in self.rows)]
        align = self.align and "l" + "r" * len(self.rows)
        return replace(
            self, head=head, rows=rows, align=align, alike="rows" if self.alike == "columns" else "columns"
        )

    @property
    def texts(self) -> list[list[str]]:
        """The rows in full, as a page shows them."""
        if self.alike == "rows":
            return [_in_full(row) for row in self.rows]
        return [list(row) for row in zip(*map(_in_full, zip(*self.rows, strict=True)), strict=True)]

    def is_right(self, column: int) -> bool:
        """Whether a column is set right: as ``align`` says, or where it holds figures."""
        return self.align[column] == "r" if self.align else self.holds_figures(column)

    def holds_figures(self, column: int) -> bool:
        """Whether a column holds anything but words."""
        return any(not isinstance(row[column], str) for row in self.rows)


def written(cell: Cell, decimals: int | None = None) -> str:
    """A cell in full; of floats and intervals so many decimals, or three significant digits."""
    if cell is None:
        return NOTHING
    if isinstance(cell, float):
        return number(cell, decimals)
    return with_interval(cell, decimals) if isinstance(cell, Interval) else str(cell)


def _in_full(cells: Iterable[Cell]) -> list[str]:
    """Cells that belong together, with equally many decimals."""
    cells = list(cells)
    largest = max(_sizes(cells), default=0.0)
    decimals = min(max(2 - math.floor(math.log10(largest)), 0), MOST_DECIMALS) if largest else 2
    return [written(cell, decimals) for cell in cells]


def _sizes(cells: Iterable[Cell]) -> list[float]:
    """How large the floats among some cells are, those of intervals too."""
    values = (cell.value if isinstance(cell, Interval) else cell for cell in cells)
    return [abs(value) for value in values if isinstance(value, float) and math.isfinite(value)]


def brief(column: Sequence[Cell], decimals: int = 2) -> list[str]:
    """A column as a terminal shows it: without intervals, digits below each other.

    Args:
        decimals: of floats; where one of them reaches ten, one, and from a hundred on, none.

    >>> brief([1.0, 0.98412, None]), brief([66.6667, 8.4])
    (['1.00', '0.98', '–'], ['66.7', '8.4'])
    """
    largest = max(_sizes(column), default=0.0)
    kept = decimals if largest < 10 else 1 if largest < 100 else 0
    return [written(cell.value if isinstance(cell, Interval) else cell, kept) for cell in column]


def number(value: float, decimals: int | None = None) -> str:
    """So many decimals, or three significant digits, whole from a hundred on; nothing is "−0".

    >>> number(3.14159), number(1234.5), number(math.inf)
    ('3.14', '1234', '–')
    """
    if not math.isfinite(value):
        return NOTHING
    if decimals is not None:
        return f"{value:z.{decimals}f}"
    return f"{value:z.3g}" if abs(value) < 100 else f"{value:.0f}"


def with_interval(interval: Interval, decimals: int | None = None) -> str:
    """A figure with its interval, where it has one; from below zero it goes "to", as "–" is a minus too."""
    value, low, high = (number(each, decimals) for each in (interval.value, interval.low, interval.high))
    to = " to " if interval.low < 0 else "–"
    return f"{value} [{low}{to}{high}]" if math.isfinite(interval.low) else value
