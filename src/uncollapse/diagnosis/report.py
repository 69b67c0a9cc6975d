"""The report on a file or a model: a page, its figures as PNG and SVG, and all of it as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..comparison.report import alternative_text
from ..comparison.summary import sentence
from ..output import save_text
from ..reports.page import Drawing, number, rendered, save_figures, save_sheet, with_interval
from .diagnose import Diagnosis
from .pictures import Pictures, counted, figures
from .prompt_tables import prompt_tables
from .results import as_json

__all__ = ["page", "save_diagnosis"]


def save_diagnosis(found: Sequence[Diagnosis], folder: Path) -> dict[str, Path]:
    """Write report.html, diagnosis.json, and a PNG and an SVG of each figure; returns where they are.

    Raises: OutputError.
    """
    from . import plots

    data = {"diagnoses": [as_json(each) for each in found]}
    files = {"results": save_text(json.dumps(data, ensure_ascii=False, indent=1), folder / "diagnosis.json")}
    drawings: list[Drawing] = []
    if len(found) == 1:
        drawings += save_figures(plots.figures(found[0]), folder)
        if found[0].pictures is not None:
            drawings.append(_sheet(found[0].pictures, folder))
            files["pictures"] = folder / "pictures.png"
    files["report"] = save_text(page(found, drawings), folder / "report.html")
    return files


def _sheet(pictures: Pictures, folder: Path) -> Drawing:
    from ..comparison.contact_sheet import contact_sheet

    prompts = len(pictures.comparison.prompts)
    sheet = contact_sheet(pictures.comparison, pictures.settings.references, prompts)
    return save_sheet(sheet, "pictures", alternative_text(pictures.comparison), folder)


def page(found: Sequence[Diagnosis], drawings: Sequence[Drawing] = ()) -> str:
    """The report as HTML text."""
    one = found[0] if len(found) == 1 else None
    if one is None:
        return rendered(f"Diagnosis of {len(found)} embeddings", tables=[_overview(found)])
    contexts = f", {one.contexts}" if one.contexts else ""
    return rendered(
        f"Diagnosis of “{one.placeholder}”",
        lead=f"{one.subject}, anchor “{one.anchor}”{contexts}.",
        verdict=one.verdict,
        notes=one.notes,
        figures=drawings,
        tables=_tables(one),
    )


def _overview(found: Sequence[Diagnosis]) -> dict[str, Any]:
    """A line a file."""
    rows = [
        [
            d.subject,
            d.placeholder,
            d.anchor,
            d.verdict.word if d.verdict else "–",
            str(len(d.tokens)),
            number(max(row.norm_ratio for row in d.tokens)),
            number(min(row.cosine for row in d.tokens)),
        ]
        for d in found
    ]
    head = ["file", "placeholder", "anchor", "verdict", "vectors", "longest × anchor's norm", "lowest cosine"]
    return {"title": "Overview", "head": head, "rows": rows, "notes": []}


def _tables(d: Diagnosis) -> list[dict[str, Any]]:
    tables = []
    if d.pictures is not None:
        tables.append(_picture_table(d.pictures))
    if d.tokens:
        tables.append(_token_table(d))
    for name, each in d.prompts.items():
        tables += prompt_tables(d, each, f" {name}" if len(d.prompts) > 1 else "")
    return tables


def _picture_table(pictures: Pictures) -> dict[str, Any]:
    """A line a score, a column an arm; every line with its unit and whose figure it is."""
    comparison = pictures.comparison
    arms = {arm.name: figures(comparison, arm.name) for arm in comparison.arms}
    rows = [
        [
            score.paper_title,
            *(with_interval(each[score.name]) for each in arms.values()),
            score.unit,
            pictures.settings.sources.get(score.name, ""),
        ]
        for score in comparison.scores
    ]
    return {
        "title": f"Pictures: {counted(comparison)} a column",
        "head": ["of", *(arm.title(comparison.concept) for arm in comparison.arms), "unit", "by"],
        "rows": rows,
        "notes": [
            sentence(comparison),
            "[ ]: 95% interval; of a cosine over contexts, of what is kept over pictures (Wilson's). All "
            "columns share prompts and seeds.",
        ],
    }


def _token_table(d: Diagnosis) -> dict[str, Any]:
    head = [
        "vector",
        "norm",
        "× anchor's",
        "percentile",
        "angle",
        "cosine",
        "nearest words",
        "after adjusting",
    ]
    rows = [
        [
            f"{row.before.encoder} {row.before.row}",
            number(row.before.norm),
            number(row.norm_ratio),
            f"{row.before.norm_percentile:.0f}",
            number(row.angle),
            number(row.cosine),
            ", ".join(f"{word} {cosine:.2f}" for word, cosine in row.before.nearest),
            ", ".join(f"{word} {cosine:.2f}" for word, cosine in row.after.nearest),
        ]
        for row in d.tokens
    ]
    note = "Percentile: how many per cent of the vocabulary's words are shorter. Angles are radians."
    marks = "; ".join(f"{m.token} {m.norm:.2f} (percentile {m.percentile:.0f})" for m in d.landmarks)
    return {
        "title": "Learned vectors",
        "head": head,
        "rows": rows,
        "notes": [note, f"Special tokens: {marks}."],
    }
