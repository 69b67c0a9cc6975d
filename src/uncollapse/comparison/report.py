"""One HTML file that holds a comparison: what it came to, sheet, table, settings, what to run next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..reports.page import Finding, NextStep, as_drawing, rendered
from .records import Comparison
from .summary import headline, sentence, table

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["alternative_text", "report"]


def report(
    comparison: Comparison, sheet: Image, settings: Mapping[str, object], then: NextStep | None = None
) -> str:
    """The report as HTML text.

    Args:
        comparison: what it reports on.
        sheet: its contact sheet, embedded as a PNG.
        settings: what a reader needs to repeat the run, name by name; those that are ``None`` are left out.
        then: what to run next.
    """
    return rendered(
        f"“{comparison.concept.placeholder}”, personalised and adjusted at test time",
        finding=Finding(headline(comparison), reasons=[sentence(comparison)]),
        picture=as_drawing(sheet, "contact-sheet", alternative_text(comparison), "Contact sheet"),
        tables=[table(comparison)] if comparison.scores else [],
        settings=settings,
        then=then,
    )


def alternative_text(comparison: Comparison) -> str:
    """What a contact sheet shows, for those who do not see it."""
    arms = ", ".join(arm.name for arm in comparison.arms)
    prompts = "; ".join(prompt.template.replace("{}", "…") for prompt in comparison.prompts)
    return f"A grid of generated images. Columns: {arms}. Rows: {prompts}. {sentence(comparison)}"
