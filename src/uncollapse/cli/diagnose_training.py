"""``uncollapse diagnose`` on the folder of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..comparison import told_apart
from ..concept import Concept
from ..diagnosis.keeping import kept_sentence
from ..diagnosis.points import TrainingDiagnosis
from ..diagnosis.tables import by_checkpoint, scores_by_checkpoint
from ..diagnosis.training import diagnosing_trajectory, usual_arms
from ..diagnosis.training_report import save_training, training_json
from ..errors import FileFormatError
from ..reports.page import NextStep
from ..reports.table import Table
from ..subjects import Bundled, miniature_called
from ..trajectory import Trajectory, read_trajectory
from .console import print_json, progress, stdout
from .diagnose_contexts import AskedContexts, chosen_contexts
from .diagnose_next import after_training
from .diagnose_options import say_what_is_passed_over
from .diagnose_pictures import PictureOptions, picture_settings
from .diagnose_printing import print_next
from .kept import shown_whatever_happens
from .tables import print_files, print_table
from .typed import Typed


def diagnose_training(
    folder: Path,
    output: Path,
    model: str | None,
    load: Callable[[str | Path], Any],
    asked: AskedContexts,
    drawn: PictureOptions,
    given: Typed,
    *,
    as_json_text: bool,
) -> None:
    """Measure all checkpoints, write report, figures and results, print a line a step.

    Args:
        model: the base model, in place of the one the manifest names.
        load: makes a pipeline of it.
        given: what was typed.
    """
    trajectory = read_trajectory(folder)
    if not trajectory.checkpoints:
        raise FileFormatError(f"{folder}: lists no checkpoint. Train with --checkpoint-steps.")
    arms = told_apart([*usual_arms(trajectory), *drawn.arms])
    name = model or trajectory.base_model
    own = _own(trajectory, name)
    say_what_is_passed_over("training", given, own=own is not None)
    concept = Concept(trajectory.placeholder, trajectory.class_word)
    shipped = own.contexts() if own else None
    loaded = [load(name)]  # asked how long the sentences are, and then the first to be diagnosed
    sentences = chosen_contexts(loaded[0], concept, asked, shipped, output)
    pictures = picture_settings(drawn, concept, sentences, asked, own)
    each = 1 + ((1 + len(arms)) * len(pictures.prompts) * len(pictures.seeds) if pictures else 0)

    def show(found: TrainingDiagnosis) -> None:
        then = after_training(found, name, sentences, given, seen=own is not None)
        _show(found, output, then, as_json_text=as_json_text)

    with (
        shown_whatever_happens(show, _noted) as kept,
        progress("Checkpoints", each * len(trajectory.checkpoints)) as advance,
    ):
        for kept.known in diagnosing_trajectory(
            trajectory,
            lambda: loaded.pop() if loaded else load(name),
            sentences,
            on_checkpoint=advance,
            pictures=pictures,
            on_images=advance,
            arms=arms,
        ):
            pass


def _noted(found: TrainingDiagnosis, note: str) -> TrainingDiagnosis:
    return replace(found, notes=(*found.notes, note))


def _own(trajectory: Trajectory, base_model: str) -> Bundled | None:
    """Where a miniature was trained, its own concept of this class, if it has one."""
    if (miniature := miniature_called(base_model)) is None:
        return None
    same = [each for each in miniature.concepts.values() if each.anchor == trajectory.class_word]
    return Bundled(miniature, same[0]) if same else None


def _show(found: TrainingDiagnosis, output: Path, then: NextStep, *, as_json_text: bool) -> None:
    if not found.points:
        raise FileFormatError(found.notes[-1])
    files = save_training(found, output, then=then)
    if as_json_text:
        print_json(training_json(found) | {"files": {name: str(path) for name, path in files.items()}})
        return
    out = stdout()
    print_table(_table(found), decimals=3)
    for text in (kept_sentence(found), found.sentence, f"By the denoiser: {found.course}", *found.notes):
        out.print(text, markup=False)
    print_files(files)
    print_next(then)


def _table(found: TrainingDiagnosis) -> Table:
    """A line a step; of the pictures what they keep of the context, by the judge or by CLIP."""
    heard = {f"heard {label}".strip(): label or "heard" for label in found.labels.values()}
    names = {"step": "step", "verdict": "verdict", **heard, "presence": "presence"}
    scores = scores_by_checkpoint(found)
    if scores is None:
        drift = next((name for name in by_checkpoint(found).head if name.startswith("context drift")), None)
        return by_checkpoint(found).columns(names | ({drift: "context drift"} if drift else {}))
    first = found.scores[0].paper_title
    of_first = {f"{first} {label}".strip(): label or first for label in found.labels.values()}
    return by_checkpoint(found).columns(names).beside(scores.columns({"step": "step", **of_first}))
