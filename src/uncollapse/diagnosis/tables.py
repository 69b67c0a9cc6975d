"""The tables of a diagnosis, each made once: a page shows them whole, a terminal some of their columns.

    overview         a line a file, the worst first
    learned_vectors  a line a vector: where it lies among the words
    pictures_by_arm  a line a score, a column an arm
    by_checkpoint    a line a step: denoiser and text
    scores_by_checkpoint  a line a step: pictures

The prompt level has its own, in ``prompt_tables``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..comparison.summary import sentence
from ..reports.table import Cell, Table
from .diagnose import Diagnosis
from .drift import TokenDrift
from .pictures import Pictures, counted, figures
from .points import TrainingDiagnosis
from .verdict import LONG

__all__ = ["by_checkpoint", "learned_vectors", "overview", "pictures_by_arm", "scores_by_checkpoint"]

OF_TEXT = ("context drift", "concept drift", "pooled drift", "spread")
LEGEND = (
    f"Drifted: a vector is longer than {LONG} % of all words, and one is no nearer to its anchor than "
    "chance. In place: not both. What a drift costs the context, only the model shows."
)
INTERVALS = "[ ]: 95% interval; of a cosine over contexts, of what is kept over pictures (Wilson's)."


def overview(found: Sequence[Diagnosis]) -> Table:
    """A line a file, in the order in which they are given, which should be ``worst_first``."""
    head = ["file", "verdict", "placeholder", "anchor", "vectors", "longest × anchor's norm", "lowest cosine"]
    folder = Path(os.path.commonpath([Path(d.subject).parent for d in found]))
    rows = [
        [
            str(Path(d.subject).relative_to(folder)),
            d.verdict.word if d.verdict else "–",
            d.placeholder,
            d.anchor,
            len(d.tokens),
            max(row.norm_ratio for row in d.tokens),
            min(row.cosine for row in d.tokens),
        ]
        for d in found
    ]
    return Table("Overview, the worst first", head, rows, [LEGEND])


def learned_vectors(d: Diagnosis, words: int | None = None) -> Table:
    """A line a vector.

    Args:
        words: so many of the nearest, without their cosines; None for all, with them.
    """
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
    marks = "; ".join(f"{m.token} {m.norm:.2f} (percentile {m.percentile:.0f})" for m in d.landmarks)
    notes = ["Percentile: how many per cent of the vocabulary's words are shorter. Angles are radians."]
    notes += [f"Special tokens: {marks}."] if marks else []
    several = len({row.before.encoder for row in d.tokens}) > 1
    rows = [_vector(row, words, f"{row.before.encoder} " if several else "") for row in d.tokens]
    return Table("Learned vectors", head, rows, notes)


def _vector(row: TokenDrift, words: int | None, of: str) -> list[Cell]:
    percentile = row.before.norm_percentile
    near = (
        ", ".join(f"{word} {cosine:z.2f}" if words is None else word for word, cosine in each.nearest[:words])
        for each in (row.before, row.after)
    )
    return [
        f"{of}{row.before.row}",
        row.before.norm,
        row.norm_ratio,
        None if percentile is None else round(percentile),
        row.angle,
        row.cosine,
        *near,
    ]


def pictures_by_arm(pictures: Pictures) -> Table:
    """A line a score, a column an arm; every line with its unit and whose figure it is."""
    comparison, sources = pictures.comparison, pictures.settings.sources
    arms = [figures(comparison, arm.name) for arm in comparison.arms]
    rows = [
        [score.paper_title, *(each[score.name] for each in arms), score.unit, sources.get(score.name, "")]
        for score in comparison.scores
    ]
    return Table(
        f"Pictures: {counted(comparison)} a column",
        ["", *(arm.title(comparison.concept) for arm in comparison.arms), "unit", "by"],
        rows,
        [sentence(comparison), f"{INTERVALS} All columns share prompts and seeds."],
        alike="rows",
    )


def by_checkpoint(found: TrainingDiagnosis) -> Table:
    """The denoiser's figures, as it is and by every arm, and the first of the text's, by text encoder."""
    of_text = [(encoder, name) for encoder in found.encoders for name in OF_TEXT]
    several = len(found.encoders) > 1
    learned = found.points[0].norm is not None
    rows = [
        [
            p.step,
            p.word,
            *(p.arms[name].values["heard"] for name in found.labels),
            p.as_it_is.values["presence"],
            *(p.as_it_is.text[encoder][name] for encoder, name in of_text),
            *([p.norm, p.cosine] if learned else []),
        ]
        for p in found.points
    ]
    head = [
        "step",
        "verdict",
        *(f"heard {label}".strip() for label in found.labels.values()),
        "presence",
        *(f"{name}, {encoder}" if several else name for encoder, name in of_text),
        *(["rows' norm", "rows' cosine"] if learned else []),
    ]
    note = (
        "Means with 95% intervals over contexts. Spread: within the concept's sentences ÷ the plain word's."
    )
    return Table("By checkpoint", head, rows, [note])


def scores_by_checkpoint(found: TrainingDiagnosis) -> Table | None:
    """A line a checkpoint, for each score a column an arm; None where nothing was measured."""
    drawn = [(p, p.pictures) for p in found.points if p.pictures is not None]
    if not found.scores:
        return None
    _, first = drawn[0]
    rows = [
        [p.step, *(p.arms[arm].scores.get(score.name) for score in found.scores for arm in found.labels)]
        for p, _ in drawn
    ]
    titles = [
        f"{score.paper_title} {label}".strip() for score in found.scores for label in found.labels.values()
    ]
    sources = first.settings.sources
    by = (f"{score.paper_title}: {score.unit}, {sources.get(score.name, '')}" for score in found.scores)
    adjusted = " and ".join(label for label in found.labels.values() if label)
    return Table(
        f"Pictures: {counted(first.comparison)} a checkpoint, without and {adjusted} each",
        ["step", *titles],
        rows,
        [f"{'; '.join(by)}.", INTERVALS],
    )
