"""The diagnosis as files: one HTML page that loads nothing from outside, its figures as PNG and SVG, its "
"JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..output import save_text
from .diagnose import Diagnosis, PromptFigures, as_json, plain
from .published import WARNINGS
from .verdict import Verdict

if TYPE_CHECKING:
    from .training import TrainingDiagnosis

__all__ = ["page", "save_diagnosis", "save_training", "training_json", "training_page"]

TEMPLATE = Path(__file__).parent / "diagnosis.html.j2"
CAPTIONS = {
    "training": "Over the steps, with 95% bands over contexts. Below the dotted line the context is lost; "
    "the "
    "upright line is where the lower level begins, if there is one.",
    "heard": "How much of the context the denoiser still hears, and how much the concept changes there. "
    "Bars with "
    "95% intervals over contexts; left of the dotted line on the left the context is lost, left of it on the "
    "right the subject is.",
    "norms": "A learned vector right of all words is longer than any of them. Triangles: the special tokens.",
    "turned": "An undrifted vector lies at the star. Arrows show what the adjustment does.",
    "leak": "The context's words are the same in both sentences: what moved there has leaked in from the "
    "concept, or "
    "is the text encoder's own change. Box: the middle half of the contexts.",
    "sentences": "Lines join the same sentence. A concept that drowns its context out draws the triangles "
    "together.",
}
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


def save_diagnosis(found: Sequence[Diagnosis], folder: Path) -> dict[str, Path]:
    """Write report.html, diagnosis.json, and a PNG and an SVG of each figure; returns where they are.

    Raises: OutputError.
    """
    from . import plots

    data = {"diagnoses": [as_json(each) for each in found]}
    files = {"results": save_text(json.dumps(data, ensure_ascii=False, indent=1), folder / "diagnosis.json")}
    pictures = plots.figures(found[0]) if len(found) == 1 else {}
    for name, figure in pictures.items():
        plots.save(figure, folder / f"{name}.png")
        plots.save(figure, folder / f"{name}.svg")
    svgs = {name: plots.as_svg(figure) for name, figure in pictures.items()}
    files["report"] = save_text(page(found, svgs), folder / "report.html")
    return files


def save_training(found: TrainingDiagnosis, folder: Path) -> dict[str, Path]:
    """The same for a training: its curves, and a line a checkpoint.

    Raises: OutputError.
    """
    from . import plots

    data = json.dumps(training_json(found), ensure_ascii=False, indent=1)
    files = {"results": save_text(data, folder / "diagnosis.json")}
    figure = plots.over_training(found)
    for ending in ("png", "svg"):
        plots.save(figure, folder / f"training.{ending}")
    files["report"] = save_text(training_page(found, plots.as_svg(figure)), folder / "report.html")
    return files


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
            "points": [asdict(point) for point in found.points],
            "notes": list(found.notes),
        }
    )


def training_page(found: TrainingDiagnosis, svg: str) -> str:
    """The report over training as HTML text."""
    t = found.trajectory
    names = (
        "heard",
        "heard with TEA",
        "presence",
        "context drift",
        "concept drift",
        "pooled drift",
        "spread",
    )
    learned = ["rows' norm", "rows' cosine"] if found.points[0].norm is not None else []
    rows = [
        [str(p.step), p.word, *(_with_interval(p.values[name]) for name in names)]
        + [_number(value) for value in (p.norm, p.cosine) if value is not None]
        for p in found.points
    ]
    table = {
        "title": "By checkpoint",
        "head": ["step", "verdict", *names, *learned],
        "rows": rows,
        "notes": [
            "Means with 95% intervals over contexts. Spread: within the concept's sentences ÷ the anchor's."
        ],
    }
    return _rendered(
        title=f"“{t.placeholder}” over training ({t.method})",
        lead=f"{t.folder}, class word “{t.class_word}”. {found.sentence}",
        notes=found.notes,
        svgs={"training": svg},
        tables=[table],
    )


def page(found: Sequence[Diagnosis], svgs: Mapping[str, str]) -> str:
    """The report as HTML text, with figures by name."""
    one = found[0] if len(found) == 1 else None
    if one is None:
        return _rendered(f"Diagnosis of {len(found)} embeddings", svgs=svgs, tables=[_overview(found)])
    contexts = f", {one.contexts}" if one.contexts else ""
    return _rendered(
        f"Diagnosis of “{one.placeholder}”",
        lead=f"{one.subject}, anchor “{one.anchor}”{contexts}.",
        verdict=one.verdict,
        notes=one.notes,
        svgs=svgs,
        tables=_tables(one),
    )


def _rendered(
    title: str,
    *,
    svgs: Mapping[str, str],
    tables: Sequence[dict[str, Any]],
    lead: str = "",
    verdict: Verdict | None = None,
    notes: Sequence[str] = (),
) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    figures = [(name, Markup(svg), CAPTIONS.get(name, "")) for name, svg in svgs.items()]
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title, lead=lead, verdict=verdict, notes=notes, figures=figures, tables=tables
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
            _number(max(row.norm_ratio for row in d.tokens)),
            _number(min(row.cosine for row in d.tokens)),
        ]
        for d in found
    ]
    head = ["file", "placeholder", "anchor", "verdict", "vectors", "longest × anchor's norm", "lowest cosine"]
    return {"title": "Overview", "head": head, "rows": rows, "notes": []}


def _tables(d: Diagnosis) -> list[dict[str, Any]]:
    tables = []
    if d.tokens:
        tables.append(_token_table(d))
    if d.prompt is not None:
        tables += _prompt_tables(d, d.prompt)
    return tables


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
            _number(row.before.norm),
            _number(row.norm_ratio),
            f"{row.before.norm_percentile:.0f}",
            _number(row.angle),
            _number(row.cosine),
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


def _prompt_tables(d: Diagnosis, figures: PromptFigures) -> list[dict[str, Any]]:
    drift = [
        ["the context's words", _with_interval(figures.context)],
        ["the concept's own words", _with_interval(figures.concept)],
        ["the whole sentence (last token)", _with_interval(figures.pooled)],
        ["norms, with the concept ÷ with the anchor", f"{figures.norm_ratio.value:.4f}"],
    ]
    between = [
        [
            title,
            _number(getattr(figures.between, name)),
            _range(figures.intervals.get(name)),
            unit,
            *_published(figures, "between", name),
        ]
        for name, title, unit in ROWS
    ]
    within = [
        [
            title,
            _number(getattr(figures.within, name)),
            _number(getattr(figures.within_anchor, name)),
            unit,
            *_published(figures, "within", name),
        ]
        for name, title, unit in SPREAD_ROWS
    ]
    more = ["paper's"] if figures.published else []
    warnings = [f"Paper's {name}: {text}" for name, text in WARNINGS.items()] if figures.published else []
    spread_notes = [*figures.within.notes, *figures.within_anchor.notes]
    return [
        {
            "title": f"Text encoder: drift, 1 − cosine, over {d.contexts} contexts",
            "head": ["of", "mean [95% interval]"],
            "rows": drift,
            "notes": [],
        },
        {
            "title": f"Between the sentences with “{d.placeholder}” and with “{d.anchor}”",
            "head": ["distance", "", "95% interval", "unit", *more],
            "rows": between,
            "notes": [*figures.between.notes, *warnings],
        },
        {
            "title": "Spread of the sentences",
            "head": ["measure", f"“{d.placeholder}”", f"“{d.anchor}”", "unit", *more],
            "rows": within,
            "notes": spread_notes,
        },
    ]


def _published(figures: PromptFigures, sets: str, name: str) -> list[str]:
    if not figures.published:
        return []
    value = getattr(figures.published[sets], name, None)
    return ["" if value is None else _number(value)]


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _with_interval(interval: Any) -> str:
    return f"{_number(interval.value)} [{_number(interval.low)}–{_number(interval.high)}]"


def _range(interval: Any) -> str:
    return "" if interval is None else f"{_number(interval.low)} to {_number(interval.high)}"
