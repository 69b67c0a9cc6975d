"""The prompt level as tables of the report: drift, distances between the sets, spread within them."""

from __future__ import annotations

from ..metrics.sets.published import WARNINGS
from ..metrics.sets.statistics import DISTANCES, SPREADS
from ..reports.table import Cell, Table
from .diagnose import Diagnosis
from .prompt_figures import PromptFigures

__all__ = ["prompt_tables"]


def prompt_tables(d: Diagnosis, known: PromptFigures, of: str) -> list[Table]:
    """Drift, distances and spread, by the text encoder ``of``."""
    by = f", by{of}" if of else ""
    return [
        _drift(known, f"Text encoder{of}: drift, 1 − cosine, over {d.contexts} contexts"),
        _between(known, f"Between the sentences with “{d.placeholder}” and with “{d.anchor}”{by}"),
        _within(known, f"Spread of the sentences{by}", f"“{d.placeholder}”", f"“{d.anchor}”"),
    ]


def _drift(known: PromptFigures, title: str) -> Table:
    rows: list[list[Cell]] = [
        ["the context's words", known.context],
        ["the concept's own words", known.concept],
        ["the whole sentence (last token)", known.pooled],
        ["norms, with the concept ÷ with the anchor", f"{known.norm_ratio.value:.4f}"],
    ]
    return Table(title, ["", "mean [95% interval]"], rows)


def _between(known: PromptFigures, title: str) -> Table:
    rows = [
        [
            each.title,
            known.intervals.get(each.name) or getattr(known.between, each.name),
            each.unit,
            *_published(known, "between", each.name),
        ]
        for each in DISTANCES
    ]
    head = ["distance", "value [95% interval]", "unit", *(["paper's"] if known.published else [])]
    warnings = [f"Paper's {name}: {text}" for name, text in WARNINGS.items()] if known.published else []
    return Table(title, head, rows, [*known.notes, *known.between.notes, *warnings], alike="rows")


def _within(known: PromptFigures, title: str, ours: str, theirs: str) -> Table:
    rows = [
        [
            each.title,
            getattr(known.within, each.name),
            getattr(known.within_anchor, each.name),
            each.unit,
            *_published(known, "within", each.name),
        ]
        for each in SPREADS
    ]
    head = ["measure", ours, theirs, "unit", *(["paper's"] if known.published else [])]
    return Table(title, head, rows, [*known.within.notes, *known.within_anchor.notes], alike="rows")


def _published(known: PromptFigures, sets: str, name: str) -> list[Cell]:
    """The paper's figure; nothing where it has none."""
    if not known.published:
        return []
    value = getattr(known.published[sets], name, None)
    return ["" if value is None else value]
