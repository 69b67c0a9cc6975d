"""The report on a file or a model: a page, its figures as PNG and SVG, and all of it as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..comparison.report import alternative_text
from ..output import save_json, save_text
from ..reports.page import Drawing, Finding, as_drawing, drawings, rendered, save_image
from ..reports.table import Table
from . import plots
from .diagnose import Diagnosis
from .pictures import Pictures
from .prompt_tables import prompt_tables
from .results import as_json
from .tables import learned_vectors, overview, pictures_by_arm
from .verdict import Verdict

__all__ = ["MANUAL", "page", "save_diagnosis"]

MANUAL = "docs/diagnosis.md"
TONES: dict[str, Literal["good", "bad", "odd"]] = {
    "healthy": "good",
    "dominating": "bad",
    "drifted": "bad",
    "overlooked": "odd",
}


def save_diagnosis(found: Sequence[Diagnosis], folder: Path) -> dict[str, Path]:
    """Write report.html, diagnosis.json, and a PNG and an SVG of each figure; returns where they are.

    Raises: OutputError.
    """
    data = {"diagnoses": [as_json(each) for each in found]}
    files = {"results": save_json(data, folder / "diagnosis.json")}
    shown: list[Drawing] = []
    if len(found) == 1:
        shown += drawings(plots.figures(found[0]), folder)
        if found[0].pictures is not None:
            drawing, files["pictures"] = _sheet(found[0].pictures, folder)
            shown.append(drawing)
    files["report"] = save_text(page(found, shown), folder / "report.html")
    return files


def _sheet(pictures: Pictures, folder: Path) -> tuple[Drawing, Path]:
    from ..comparison.contact_sheet import contact_sheet

    prompts = len(pictures.comparison.prompts)
    sheet = contact_sheet(pictures.comparison, pictures.settings.references, prompts)
    caption = "The first seed of each prompt. Pictures in a row share one seed."
    drawing = as_drawing(sheet, "pictures", alternative_text(pictures.comparison), caption)
    return drawing, save_image(sheet, folder / "pictures.png")


def page(found: Sequence[Diagnosis], figures: Sequence[Drawing] = ()) -> str:
    """The report as HTML text."""
    one = found[0] if len(found) == 1 else None
    if one is None:
        title = f"Diagnosis of {len(found)} embeddings"
        return rendered(title, tables=[overview(found)], manual=MANUAL)
    contexts = f", {one.contexts}" if one.contexts else ""
    return rendered(
        f"Diagnosis of “{one.placeholder}”",
        lead=f"{one.subject}, anchor “{one.anchor}”{contexts}.",
        finding=_finding(one.verdict) if one.verdict else None,
        notes=one.notes,
        figures=figures,
        tables=_tables(one),
        manual=MANUAL,
    )


def _finding(verdict: Verdict) -> Finding:
    advice = verdict.advice
    proposal = f"Try {advice.strength}, anchor “{advice.anchor}”. {advice.expect}" if advice else ""
    return Finding(
        verdict.word, verdict.rests_on, verdict.reasons, proposal, tone=TONES.get(verdict.word, "")
    )


def _tables(d: Diagnosis) -> list[Table]:
    tables = []
    if d.pictures is not None:
        tables.append(pictures_by_arm(d.pictures))
    if d.tokens:
        tables.append(learned_vectors(d))
    for name, each in d.prompts.items():
        tables += prompt_tables(d, each, f" {name}" if len(d.prompts) > 1 else "")
    return tables
