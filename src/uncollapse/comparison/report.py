"""One HTML file that holds a comparison: sentence, sheet, table, settings. It loads nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..reports.page import as_drawing, rendered
from ..reports.table import Table
from .compare import Comparison
from .summary import sentence, table, table_note

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["alternative_text", "figures", "report"]


def report(comparison: Comparison, sheet: Image, settings: Mapping[str, object]) -> str:
    """The report as HTML text.

    Args:
        comparison: what it reports on.
        sheet: its contact sheet, embedded as a PNG.
        settings: what a reader needs to repeat the run, name by name; those that are ``None`` are left out.
    """
    measured = figures(comparison)
    return rendered(
        f"“{comparison.concept.placeholder}”, personalised and adjusted at test time",
        lead=sentence(comparison),
        picture=as_drawing(sheet, "contact-sheet", alternative_text(comparison), "Contact sheet"),
        tables=[measured] if measured else [],
        settings=settings,
    )


def figures(comparison: Comparison) -> Table | None:
    """A row an arm, a column a score; None where nothing was measured."""
    head, rows = table(comparison)
    if len(head) == 1:
        return None
    return Table("Figures", head, rows, [table_note(comparison)], align="l" + "r" * (len(head) - 1))


def alternative_text(comparison: Comparison) -> str:
    """What a contact sheet shows, for those who do not see it."""
    arms = ", ".join(arm.name for arm in comparison.arms)
    prompts = "; ".join(prompt.template.replace("{}", "…") for prompt in comparison.prompts)
    return f"A grid of generated images. Columns: {arms}. Rows: {prompts}. {sentence(comparison)}"
