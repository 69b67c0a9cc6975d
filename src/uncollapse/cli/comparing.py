"""A comparison's three files and what is printed of it; ``demo`` and ``generate --compare`` share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..comparison import Comparison
from ..comparison.summary import as_json, sentence, table
from ..output import save_json, save_text
from ..reports.page import NextStep, save_image
from .console import print_json, stdout
from .tables import print_files, print_table

if TYPE_CHECKING:
    from PIL.Image import Image


def save_comparison(
    comparison: Comparison,
    references: Sequence[Image],
    settings: Mapping[str, object],
    folder: Path,
    then: NextStep,
) -> dict[str, Path]:
    """Write contact sheet, report and results; returns where they are.

    Args:
        then: what to run next.
    """
    from ..comparison.contact_sheet import contact_sheet
    from ..comparison.report import report

    sheet = contact_sheet(comparison, references)
    html = report(comparison, sheet, settings, then)
    data = as_json(comparison, run=dict(settings))
    return {
        "contact_sheet": save_image(sheet, folder / "contact_sheet.png"),
        "report": save_text(html, folder / "report.html"),
        "results": save_json(data, folder / "results.json"),
    }


def print_comparison(comparison: Comparison, files: Mapping[str, Path], *, as_json_text: bool) -> None:
    """Table, sentence and file names for people; all of the results for scripts."""
    if as_json_text:
        print_json(as_json(comparison, files={name: str(path) for name, path in files.items()}))
        return
    out = stdout()
    if comparison.scores:
        measured = table(comparison)
        print_table(measured.turned())  # a column an arm: there are fewer arms than scores
        for note in measured.notes:
            out.print(note, style="dim", markup=False)
        out.print()
    out.print(sentence(comparison), markup=False)
    out.print()
    print_files(files, 14)
