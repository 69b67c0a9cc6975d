"""The report on a training: its curves, its pictures, and a line a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..metrics.scores import present
from ..output import save_text
from ..reports.page import Drawing, number, rendered, save_figures, with_interval
from .pictures import counted
from .previews import read_previews
from .results import pictures_json, plain
from .text_curves import TEA
from .training import TrainingDiagnosis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_training", "training_json", "training_page"]


def save_training(found: TrainingDiagnosis, folder: Path) -> dict[str, Path]:
    """Write report.html, diagnosis.json, and a PNG and an SVG of each figure; returns where they are.

    Raises: OutputError.
    """
    from .training_plots import curves, text_curves

    data = json.dumps(training_json(found), ensure_ascii=False, indent=1)
    files = {"results": save_text(data, folder / "diagnosis.json")}
    strips, notes = _strips(found)
    figures = {"training": curves(found)} | strips
    for name in found.encoders:
        of = f"-{name}" if len(found.encoders) > 1 else ""
        figures[f"text{of}"] = text_curves(found, name)
    drawings = save_figures(figures, folder)
    files |= {name: folder / f"{name}.png" for name in strips}
    files["report"] = save_text(training_page(found, drawings, notes), folder / "report.html")
    return files


def _strips(found: TrainingDiagnosis) -> tuple[dict[str, Figure], list[str]]:
    """The pictures as small multiples; the training's own previews where none were drawn."""
    from .training_plots import filmstrip, picture_rows, preview_row

    if any(point.pictures for point in found.points):
        return {"filmstrip": filmstrip(*picture_rows(found))}, []
    previews, prompt, notes = read_previews(found.trajectory.folder)
    return ({"previews": filmstrip(*preview_row(previews, prompt))} if previews else {}), notes


def training_json(found: TrainingDiagnosis) -> dict[str, Any]:
    """Ready for ``json.dumps``."""
    t = found.trajectory
    return plain(
        {
            "method": t.method,
            "placeholder": t.placeholder,
            "class_word": t.class_word,
            "onset": found.onset,
            "sentence": found.sentence,
            "points": [
                {
                    "step": point.step,
                    "word": point.word,
                    "values": _intervals(point.values),
                    "text": {name: _intervals(each) for name, each in point.text.items()},
                    "norm": point.norm,
                    "cosine": point.cosine,
                    "pictures": pictures_json(point.pictures) if point.pictures else None,
                }
                for point in found.points
            ],
            "notes": list(found.notes),
        }
    )


def _intervals(values: dict[str, Any]) -> dict[str, Any]:
    return {name: asdict(each) for name, each in values.items()}


def training_page(
    found: TrainingDiagnosis, drawings: Sequence[Drawing] = (), notes: Sequence[str] = ()
) -> str:
    """The report as HTML text."""
    t = found.trajectory
    return rendered(
        title=f"“{t.placeholder}” over training ({t.method})",
        lead=f"{t.folder}, class word “{t.class_word}”. {found.sentence}",
        notes=[*found.notes, *notes],
        figures=drawings,
        tables=[_table(found), *_picture_tables(found)],
    )


def _table(found: TrainingDiagnosis) -> dict[str, Any]:
    """The denoiser's figures, and the first of the text's, by text encoder."""
    several = len(found.encoders) > 1
    asked = ("heard", f"heard{TEA}", "presence")
    text = [
        (encoder, name)
        for encoder in found.encoders
        for name in ("context drift", "concept drift", "pooled drift", "spread")
    ]
    learned = ["rows' norm", "rows' cosine"] if found.points[0].norm is not None else []
    rows = [
        [
            str(p.step),
            p.word,
            *(with_interval(p.values[name]) for name in asked),
            *(with_interval(p.text[encoder][name]) for encoder, name in text),
            *(number(value) for value in (p.norm, p.cosine) if value is not None),
        ]
        for p in found.points
    ]
    titles = [f"{name}, {encoder}" if several else name for encoder, name in text]
    note = (
        "Means with 95% intervals over contexts. Spread: within the concept's sentences ÷ the plain word's."
    )
    head = ["step", "verdict", *asked, *titles, *learned]
    return {"title": "By checkpoint", "head": head, "rows": rows, "notes": [note]}


def _picture_tables(found: TrainingDiagnosis) -> list[dict[str, Any]]:
    """A line a checkpoint, two columns a score."""
    drawn = [point for point in found.points if point.pictures is not None]
    scores = present({name for point in drawn for name in point.scores})
    if not scores:
        return []
    pictures = drawn[0].pictures
    assert pictures is not None
    keys = [score.name + tea for score in scores for tea in ("", TEA)]
    rows = [
        [str(p.step), *(with_interval(p.scores[key]) if key in p.scores else "–" for key in keys)]
        for p in drawn
    ]
    head = ["step", *(score.paper_title + tea for score in scores for tea in ("", TEA))]
    sources = pictures.settings.sources
    by = "; ".join(f"{score.paper_title}: {score.unit}, {sources.get(score.name, '')}" for score in scores)
    notes = [
        f"{by}.",
        "[ ]: 95% interval; of a cosine over contexts, of what is kept over pictures (Wilson's).",
    ]
    title = f"Pictures: {counted(pictures.comparison)} a checkpoint, without and with TEA each"
    return [{"title": title, "head": head, "rows": rows, "notes": notes}]
