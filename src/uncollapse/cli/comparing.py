"""A comparison's three files and what is printed of it; ``demo`` and ``generate --compare`` share it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..comparison import Comparison
from ..comparison.summary import as_json, sentence, table, table_note
from ..output import save_text, write_atomically
from .console import print_json, stdout

if TYPE_CHECKING:
    from PIL.Image import Image


def save_comparison(
    comparison: Comparison, references: Sequence[Image], settings: Mapping[str, object], folder: Path
) -> dict[str, Path]:
    """Write contact sheet, report and results; returns where they are."""
    from ..comparison.contact_sheet import contact_sheet
    from ..comparison.report import report

    sheet = contact_sheet(comparison, references)
    html = report(comparison, sheet, settings)
    data = json.dumps(as_json(comparison, run=dict(settings)), ensure_ascii=False, indent=1)
    return {
        "contact_sheet": write_atomically(
            folder / "contact_sheet.png", lambda path: sheet.save(path, optimize=True)
        ),
        "report": save_text(html, folder / "report.html"),
        "results": save_text(data, folder / "results.json"),
    }


def print_comparison(comparison: Comparison, files: Mapping[str, Path], *, as_json_text: bool) -> None:
    """Table, sentence and file names for people; all of the results for scripts."""
    if as_json_text:
        print_json(as_json(comparison, files={name: str(path) for name, path in files.items()}))
        return
    out = stdout()
    headings, rows = table(comparison)
    if len(headings) > 1:
        out.print(_upright(headings, rows))
        out.print(table_note(comparison), style="dim")
        out.print()
    out.print(sentence(comparison), markup=False)
    out.print()
    for name, path in files.items():
        out.print(f"{name.replace('_', ' '):14} {path}", markup=False, soft_wrap=True)


def _upright(headings: list[str], rows: list[list[str]]) -> Table:
    """The table with a column an arm: there are fewer arms than scores, and terminals are narrow."""
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, arm in enumerate(row[0] for row in [headings, *rows]):
        grid.add_column(arm, justify="right" if i else "left", overflow="fold")
    for score in zip(headings[1:], *(row[1:] for row in rows), strict=True):
        grid.add_row(*score)
    return grid
