"""``uncollapse diagnose`` on the folder of a training."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..diagnosis.contexts import Contexts, contexts_for, fitting, read_contexts
from ..diagnosis.prompts import token_counts
from ..diagnosis.report import save_training, training_json
from ..diagnosis.training import TrainingDiagnosis, diagnose_trajectory
from ..errors import FileFormatError
from ..loading import load_pipeline
from ..trajectory import Trajectory, read_trajectory
from .bundled import bundled_contexts
from .console import print_json, progress, quieten_loading, stdout


def diagnose_training(
    folder: Path,
    output: Path,
    *,
    model: str | None,
    contexts: Path | None,
    device: str | None,
    as_json_text: bool,
) -> None:
    """Measure all checkpoints, write report, figures and results, print a line a step."""
    trajectory = read_trajectory(folder)
    quieten_loading()
    name, sentences = _base(trajectory, model, contexts)
    load_base = partial(load_pipeline, name, device=device)
    with progress("Checkpoints", len(trajectory.checkpoints)) as advance:
        found = diagnose_trajectory(trajectory, load_base, sentences, on_checkpoint=advance)
    if not found.points:
        raise FileFormatError(found.notes[0] if found.notes else f"{folder}: lists no checkpoint.")
    files = save_training(found, output)
    if as_json_text:
        print_json(training_json(found) | {"files": {name: str(path) for name, path in files.items()}})
        return
    out = stdout()
    out.print(_table(found))
    for line in (found.sentence, *found.notes):
        out.print(line, markup=False)
    for name, path in files.items():
        out.print(f"{name:10} {path}", markup=False, soft_wrap=True)


def _base(trajectory: Trajectory, model: str | None, file: Path | None) -> tuple[str | Path, Contexts]:
    """The base model, and sentences that its text encoder hears to their end."""
    from .. import miniature

    name: str | Path = model or trajectory.base_model
    bundled = "miniature" in str(name).lower()
    if bundled:
        name = miniature.MODEL
    anchor = trajectory.class_word
    personal = next((each for each in miniature.CONCEPTS.values() if each.anchor == anchor), None)
    if file:
        found = read_contexts(file, anchor)
    elif bundled and personal is not None:
        found = bundled_contexts(personal)
    else:
        found = contexts_for(anchor)
    tokens, window = token_counts(load_pipeline(name, device="cpu"))
    return name, fitting(found, [trajectory.placeholder, anchor], tokens, window, strict=file is not None)


def _table(found: TrainingDiagnosis) -> Table:
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    grid.add_column("step", justify="right")
    grid.add_column("verdict")
    for name in ("heard", "with TEA", "presence", "context drift"):
        grid.add_column(name, justify="right")
    for point in found.points:
        names = ("heard", "heard with TEA", "presence", "context drift")
        values = (f"{point.values[name].value:.3f}" for name in names)
        grid.add_row(str(point.step), point.word, *values)
    return grid
