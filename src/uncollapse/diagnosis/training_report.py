"""The report on a training: the checkpoint to keep, its curves, its pictures, and a line a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..metrics.sets.bootstrap import Interval
from ..output import plain, save_json, save_text
from ..reports.page import Drawing, Finding, NextStep, drawings, rendered
from . import training_plots as plots
from .keeping import NOT_KNOWN, Kept, best_kept, kept_sentence
from .points import Measured, TrainingDiagnosis
from .previews import read_previews
from .report import MANUAL, TONES
from .results import pictures_json
from .tables import by_checkpoint, scores_by_checkpoint

__all__ = ["save_training", "training_json", "training_page"]


def save_training(found: TrainingDiagnosis, folder: Path, *, then: NextStep | None = None) -> dict[str, Path]:
    """Write report.html, diagnosis.json, and a PNG and an SVG of each figure; returns where they are.

    Args:
        then: what to run next.

    Raises: OutputError.
    """
    files = {"results": save_json(training_json(found), folder / "diagnosis.json")}
    drawn = any(point.pictures for point in found.points)
    previews, prompt, notes = ({}, "", []) if drawn else read_previews(found.trajectory.folder)
    shown = drawings(plots.figures(found, previews, prompt), folder)
    files |= {d.name: folder / f"{d.name}.png" for d in shown if d.name in ("filmstrip", "previews")}
    files["report"] = save_text(training_page(found, shown, notes, then), folder / "report.html")
    return files


def training_json(found: TrainingDiagnosis) -> dict[str, Any]:
    """All of it but vectors and pixels, ready for ``json.dumps``; ``nan`` and infinities become ``None``."""
    t = found.trajectory
    data: dict[str, Any] = plain(
        {
            "method": t.method,
            "placeholder": t.placeholder,
            "class_word": t.class_word,
            "onset": found.onset,
            "sentence": found.sentence,
            "keep": _kept_json(best_kept(found)),
            "points": [
                {
                    "step": point.step,
                    "word": point.word,
                    "arms": {name: _measured_json(each) for name, each in point.arms.items()},
                    "norm": point.norm,
                    "cosine": point.cosine,
                    "pictures": pictures_json(point.pictures) if point.pictures else None,
                }
                for point in found.points
            ],
            "notes": list(found.notes),
        }
    )
    return data


def _kept_json(kept: Kept | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    scores = {score.name: asdict(figure) for score, figure in kept.scores.items()}
    return {"step": kept.step, "arm": kept.arm.name, "scores": scores}


def _measured_json(measured: Measured) -> dict[str, Any]:
    return measured.arm.as_json() | {
        "values": _intervals(measured.values),
        "text": {name: _intervals(each) for name, each in measured.text.items()},
        "scores": _intervals(measured.scores),
    }


def _intervals(values: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: asdict(each) for name, each in values.items()}


def training_page(
    found: TrainingDiagnosis,
    figures: Sequence[Drawing] = (),
    notes: Sequence[str] = (),
    then: NextStep | None = None,
) -> str:
    """The report as HTML text."""
    t, scores = found.trajectory, scores_by_checkpoint(found)
    return rendered(
        f"“{t.placeholder}” over training ({t.method})",
        finding=_finding(found),
        lead=f"{t.folder}, class word “{t.class_word}”.",
        notes=[*found.notes, *notes],
        figures=figures,
        tables=[*([scores] if scores else []), by_checkpoint(found)],
        then=then,
        manual=MANUAL,
    )


def _finding(found: TrainingDiagnosis) -> Finding:
    """The checkpoint to keep, where that is known; else what the denoiser says of the last."""
    denoiser = [found.sentence, f"By the denoiser, as it is: {found.course}"]
    kept = best_kept(found)
    if kept is None:
        last = found.points[-1]
        word = f"{last.word} at the last step, {last.step}"
        return Finding(word, "the denoiser", denoiser, NOT_KNOWN, TONES.get(last.word, ""))
    reasons = [kept_sentence(found), *denoiser]
    return Finding(f"keep {kept.name}", "the pictures", reasons, tone=TONES.get(kept.word, ""))
