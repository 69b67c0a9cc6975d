"""A diagnosis as data, all of it but vectors and pixels: for ``--json`` and ``diagnosis.json``."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ..comparison.summary import as_json as comparison_json
from ..metrics.sets.published import WARNINGS
from ..output import plain
from .pictures import Pictures, figures
from .probe import Probe
from .prompt_figures import PromptFigures

if TYPE_CHECKING:
    from .diagnose import Diagnosis
    from .verdict import Verdict

__all__ = ["as_json", "pictures_json"]


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """All of it but the vectors, ready for ``json.dumps``; ``nan`` and infinities become ``None``."""
    d = diagnosis
    data: dict[str, Any] = plain(
        {
            "subject": d.subject,
            "placeholder": d.placeholder,
            "anchor": d.anchor,
            "verdict": _verdict_json(d.verdict) if d.verdict else None,
            "tokens": [asdict(row) for row in d.tokens],
            "landmarks": [asdict(mark) for mark in d.landmarks],
            "contexts": d.contexts,
            "prompts": {name: _prompt_json(each) for name, each in d.prompts.items()},
            "probe": _probe_json(d.probe) if d.probe else None,
            "adjusted": {arm: _probe_json(each) for arm, each in d.adjusted.items()},
            "pictures": pictures_json(d.pictures) if d.pictures else None,
            "notes": list(d.notes),
        }
    )
    return data


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    """With the settings of the arm that is proposed beside the anchor."""
    a, said = verdict.advice, asdict(replace(verdict, advice=None))
    if a is None:
        return said
    settings = a.arm.adjuster.settings() if a.arm.adjuster else {}
    return said | {
        "advice": {"anchor": a.anchor, "arm": a.arm.name, **settings, "expect": a.expect, "doubt": a.doubt}
    }


def _probe_json(found: Probe) -> dict[str, Any]:
    names = ("response", "cosine", "heard", "presence")
    return {name: asdict(getattr(found, name)) for name in names} | {"by_context": found.by_context.tolist()}


def _prompt_json(figures: PromptFigures) -> dict[str, Any]:
    named = {name: asdict(getattr(figures, name)) for name in ("context", "concept", "pooled", "norm_ratio")}
    sets = {name: asdict(getattr(figures, name)) for name in ("between", "within", "within_anchor")}
    more: dict[str, Any] = {"intervals": {name: asdict(each) for name, each in figures.intervals.items()}}
    if figures.published is not None:
        more["published"] = {name: asdict(each) for name, each in figures.published.items()}
        more["published_warnings"] = WARNINGS
    return named | sets | more | {"notes": list(figures.notes)}


def pictures_json(pictures: Pictures) -> dict[str, Any]:
    """Every figure with its unit and source, and every picture's scores."""
    comparison = pictures.comparison
    of = {arm.name: figures(comparison, arm.name) for arm in comparison.arms}
    return comparison_json(
        comparison,
        figures={
            score.name: {
                "title": score.paper_title,
                "unit": score.unit,
                "source": pictures.settings.sources.get(score.name, ""),
                "arms": {arm: asdict(each[score.name]) for arm, each in of.items()},
            }
            for score in comparison.scores
        },
    )
