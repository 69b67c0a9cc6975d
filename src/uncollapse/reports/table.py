"""A table: what it is called, its head, its rows, what is to be said below it; for a page and for a terminal.

Cells are values, not texts, and are written where they are shown: a page has room for an interval, a terminal
for the figure alone.

    str                  as it is
    int                  as it is
    float                to three significant digits; "–" for nan and infinities, as for None
    Interval             a float with its 95 % interval
    anything else        as it writes itself (``str``)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..metrics.sets.bootstrap import Interval

__all__ = ["Cell", "Table", "brief", "number", "range_of", "with_interval", "written"]

Cell = object
NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """A title, a head, and rows as wide as it.

    Args:
        title: what is in it.
        head: the columns' names.
        rows: each as many cells as ``head`` has; the first says what the row is about.
        notes: what stands below it.
        align: a letter a column, "l" or "r"; "" for words and figures as they usually stand.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    align: str = ""

    def columns(self, names: Mapping[str, str]) -> Table:
        """Some of the columns, each under the name that ``names`` maps its own to; no notes."""
        places = [list(self.head).index(name) for name in names]
        return Table(
            self.title,
            list(names.values()),
            [[row[i] for i in places] for row in self.rows],
            align="".join(self.align[i] for i in places) if self.align else "",
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
        )

    def turned(self) -> Table:
        """A column for each row, and a row for each column but the first."""
        rows = [[name, *(row[i] for row in self.rows)] for i, name in enumerate(self.head) if i]
        head = [self.head[0], *(written(row[0]) for row in self.rows)]
        return replace(self, head=head, rows=rows, align=self.align and "l" + "r" * len(self.rows))

    def is_right(self, column: int) -> bool:
        """Whether a column is set right."""
        return self.align[column : column + 1] == "r"

    def holds_figures(self, column: int) -> bool:
        """Whether a column holds anything but words."""
        return any(not isinstance(row[column], str) for row in self.rows)


def written(cell: Cell) -> str:
    """A cell in full, as a page shows it."""
    if cell is None:
        return NOTHING
    if isinstance(cell, float):
        return number(cell)
    return with_interval(cell) if isinstance(cell, Interval) else str(cell)


def brief(column: Sequence[Cell], decimals: int = 2) -> list[str]:
    """A column as a terminal shows it: without intervals, digits below each other.

    Args:
        decimals: of floats; where one of them reaches ten, one, and from a hundred on, none.

    >>> brief([1.0, 0.98412, None]), brief([66.6667, 8.4])
    (['1.00', '0.98', '–'], ['66.7', '8.4'])
    """
    values = [cell.value if isinstance(cell, Interval) else cell for cell in column]
    sizes = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value)]
    largest = max(sizes, default=0.0)
    kept = decimals if largest < 10 else 1 if largest < 100 else 0
    return [
        f"{value:.{kept}f}" if isinstance(value, float) and math.isfinite(value) else written(value)
        for value in values
    ]


def number(value: float) -> str:
    """Three significant digits; whole from a hundred on.

    >>> number(3.14159), number(1234.5), number(math.inf)
    ('3.14', '1234', '–')
    """
    if not math.isfinite(value):
        return NOTHING
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def with_interval(interval: Interval) -> str:
    """A figure with its interval, where it has one."""
    if not math.isfinite(interval.low):
        return number(interval.value)
    return f"{number(interval.value)} [{number(interval.low)}–{number(interval.high)}]"


def range_of(interval: Interval | None) -> str:
    """An interval without its figure; "" where there is none."""
    return "" if interval is None else f"{number(interval.low)} to {number(interval.high)}"
