"""The report on a file or a model: a page, its figures as PNG and SVG, and all of it as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..comparison.report import alternative_text
from ..comparison.summary import sentence
from ..output import save_json, save_text
from ..reports.page import Drawing, Finding, NextStep, as_drawing, drawings, rendered, save_image
from ..reports.table import Table
from . import plots
from .diagnose import Diagnosis
from .pictures import Pictures
from .prompt_tables import prompt_tables
from .results import as_json
from .tables import learned_vectors, overview, pictures_by_arm
from .verdict import DRIFTED

__all__ = ["MANUAL", "TONES", "page", "proposal", "save_diagnosis"]

MANUAL = "docs/diagnosis.md"
TONES: dict[str, Literal["good", "bad", "odd"]] = {
    "healthy": "good",
    "dominating": "bad",
    DRIFTED: "bad",
    "overlooked": "odd",
}


def save_diagnosis(
    found: Sequence[Diagnosis],
    folder: Path,
    *,
    skipped: Sequence[str] = (),
    then: NextStep | None = None,
) -> dict[str, Path]:
    """Write report.html, diagnosis.json, and a PNG and an SVG of each figure; returns where they are.

    Args:
        found: one, or of several embeddings each, ``worst_first``.
        skipped: what was to be diagnosed and could not be, a sentence each.
        then: what to run next.

    Raises: OutputError.
    """
    data = {"diagnoses": [as_json(each) for each in found], "skipped": list(skipped)}
    files = {"results": save_json(data, folder / "diagnosis.json")}
    shown: list[Drawing] = []
    if len(found) == 1:
        shown += drawings(plots.figures(found[0]), folder)
        if found[0].pictures is not None:
            drawing, files["pictures"] = _sheet(found[0].pictures, folder)
            shown.insert(1, drawing)
    files["report"] = save_text(page(found, shown, skipped, then), folder / "report.html")
    return files


def proposal(d: Diagnosis) -> str:
    """What to try, and how far that is to be trusted or what pictures show of it; "" for nothing."""
    advice = d.verdict.advice if d.verdict else None
    if advice is None:
        return ""
    drawn = d.pictures is not None and any(arm == advice.arm for arm in d.pictures.comparison.arms)
    return advice.sentence if drawn else f"{advice.sentence} {advice.doubt}".strip()


def _sheet(pictures: Pictures, folder: Path) -> tuple[Drawing, Path]:
    from ..comparison.contact_sheet import contact_sheet

    prompts = len(pictures.comparison.prompts)
    sheet = contact_sheet(pictures.comparison, pictures.settings.references, prompts)
    caption = "The first seed of each prompt. Pictures in a row share one seed."
    drawing = as_drawing(sheet, "pictures", alternative_text(pictures.comparison), caption)
    return drawing, save_image(sheet, folder / "pictures.png")


def page(
    found: Sequence[Diagnosis],
    figures: Sequence[Drawing] = (),
    skipped: Sequence[str] = (),
    then: NextStep | None = None,
) -> str:
    """The report as HTML text."""
    if len(found) > 1:
        title = f"Diagnosis of {len(found)} embeddings"
        skips = [f"Skipped: {each}" for each in skipped]
        return rendered(
            title, finding=_count(found), notes=skips, tables=[overview(found)], then=then, manual=MANUAL
        )
    [one] = found
    contexts = f", contexts: {one.contexts}" if one.contexts else ""
    return rendered(
        f"Diagnosis of “{one.placeholder}”",
        finding=_finding(one),
        lead=f"{one.subject}, anchor “{one.anchor}”{contexts}.",
        notes=[*(one.notes if one.verdict else ()), *(f"Skipped: {each}" for each in skipped)],
        figures=figures,
        tables=_tables(one),
        then=then,
        manual=MANUAL,
    )


def _finding(d: Diagnosis) -> Finding:
    shown = [f"Pictures: {sentence(d.pictures.comparison)}"] if d.pictures else []
    if d.verdict is None:
        return Finding("no verdict", "", [*d.notes, *shown])
    v = d.verdict
    return Finding(v.word, f"the {v.rests_on}", [*v.reasons, *shown], proposal(d), tone=TONES.get(v.word, ""))


def _count(found: Sequence[Diagnosis]) -> Finding:
    """How many have drifted, and which of them farthest."""
    drifted = [d for d in found if d.verdict and d.verdict.word == DRIFTED]
    word = f"{len(drifted)} of {len(found)} {DRIFTED}"
    if not drifted:
        return Finding(word, "the token table", tone="good")
    worst = max(row.norm_ratio for row in drifted[0].tokens)
    first = drifted[0]
    reason = f"The farthest is “{first.placeholder}”, with {worst:.1f} times the norm of “{first.anchor}”."
    return Finding(word, "the token table", [reason], tone="bad")


def _tables(d: Diagnosis) -> list[Table]:
    tables = []
    if d.pictures is not None:
        tables.append(pictures_by_arm(d.pictures))
    if d.tokens:
        tables.append(learned_vectors(d))
    for name, each in d.prompts.items():
        tables += prompt_tables(d, each, f" {name}" if len(d.prompts) > 1 else "")
    return tables
