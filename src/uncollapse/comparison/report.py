"""One HTML file that holds a comparison: sentence, sheet, table, settings. It loads nothing from outside."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .records import Comparison
from .summary import sentence, table, table_note

if TYPE_CHECKING:
    from PIL.Image import Image

TEMPLATE = Path(__file__).parent / "report.html.j2"


def report(comparison: Comparison, sheet: Image, settings: Mapping[str, object]) -> str:
    """The report as HTML text.

    Args:
        comparison: what it reports on.
        sheet: its contact sheet, embedded as a PNG.
        settings: what a reader needs to repeat the run, name by name; those that are ``None`` are left out.
    """
    from jinja2 import Environment, StrictUndefined

    headings, rows = table(comparison)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=f"“{comparison.concept.placeholder}”, personalised and adjusted at test time",
        sentence=sentence(comparison),
        sheet=data_uri(sheet),
        sheet_width=sheet.width,
        sheet_text=alternative_text(comparison),
        headings=headings,
        rows=rows,
        note=table_note(comparison),
        measured=len(headings) > 1,
        settings={name: value for name, value in settings.items() if value is not None},
    )


def data_uri(image: Image) -> str:
    """The image as a PNG within a page."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def alternative_text(comparison: Comparison) -> str:
    """What a contact sheet shows, for those who do not see it."""
    arms = ", ".join(arm.name for arm in comparison.arms)
    prompts = "; ".join(prompt.template.replace("{}", "…") for prompt in comparison.prompts)
    return f"A grid of generated images. Columns: {arms}. Rows: {prompts}. {sentence(comparison)}"
