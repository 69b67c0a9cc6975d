"""The prompt level as tables of the report: drift, distances between the sets, spread within them."""

from __future__ import annotations

from typing import Any

from ..metrics.sets.published import WARNINGS
from ..reports.page import number, range_of, with_interval
from .diagnose import Diagnosis
from .prompt_figures import PromptFigures

__all__ = ["prompt_tables"]

ROWS = (  # name in Distances, title, unit
    ("euclidean", "Euclidean, mean over pairs", "vector units"),
    ("hausdorff", "Hausdorff", "vector units"),
    ("mahalanobis", "Mahalanobis, between the means", "standard deviations"),
    ("kl", "Gaussian KL", "nats per dimension"),
    ("energy", "energy distance", "vector units"),
    ("mmd", "squared MMD", "0 to 2"),
)
SPREAD_ROWS = (
    ("euclidean", "Euclidean, mean over pairs", "vector units"),
    ("hausdorff", "farthest nearest neighbour", "vector units"),
    ("mahalanobis", "Mahalanobis, root mean square", "anchor's standard deviations"),
    ("entropy", "entropy of the Gaussian", "nats per dimension"),
    ("mmd", "kernel variance", "0 to 1"),
)


def prompt_tables(d: Diagnosis, known: PromptFigures, of: str) -> list[dict[str, Any]]:
    """Drift, distances and spread, by the text encoder ``of``."""
    drift = [
        ["the context's words", with_interval(known.context)],
        ["the concept's own words", with_interval(known.concept)],
        ["the whole sentence (last token)", with_interval(known.pooled)],
        ["norms, with the concept ÷ with the anchor", f"{known.norm_ratio.value:.4f}"],
    ]
    between = [
        [
            title,
            number(getattr(known.between, name)),
            range_of(known.intervals.get(name)),
            unit,
            *_published(known, "between", name),
        ]
        for name, title, unit in ROWS
    ]
    within = [
        [
            title,
            number(getattr(known.within, name)),
            number(getattr(known.within_anchor, name)),
            unit,
            *_published(known, "within", name),
        ]
        for name, title, unit in SPREAD_ROWS
    ]
    by = f", by{of}" if of else ""
    more = ["paper's"] if known.published else []
    warnings = [f"Paper's {name}: {text}" for name, text in WARNINGS.items()] if known.published else []
    spread_notes = [*known.within.notes, *known.within_anchor.notes]
    return [
        {
            "title": f"Text encoder{of}: drift, 1 − cosine, over {d.contexts} contexts",
            "head": ["of", "mean [95% interval]"],
            "rows": drift,
            "notes": [],
        },
        {
            "title": f"Between the sentences with “{d.placeholder}” and with “{d.anchor}”{by}",
            "head": ["distance", "", "95% interval", "unit", *more],
            "rows": between,
            "notes": [*known.notes, *known.between.notes, *warnings],
        },
        {
            "title": f"Spread of the sentences{by}",
            "head": ["measure", f"“{d.placeholder}”", f"“{d.anchor}”", "unit", *more],
            "rows": within,
            "notes": spread_notes,
        },
    ]


def _published(known: PromptFigures, sets: str, name: str) -> list[str]:
    if not known.published:
        return []
    value = getattr(known.published[sets], name, None)
    return ["" if value is None else number(value)]
