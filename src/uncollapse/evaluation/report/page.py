"""The report as one page that needs no server: what holds, fronts, tables, and every picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...output import save_text
from ...reports import Drawing, Finding, rendered
from ...reports import figures as plots
from ..identities import title
from .findings import Findings
from .fronts import front_plots
from .gallery import gallery
from .tables import tables, way

__all__ = ["verdict", "write_page"]


def write_page(
    found: Findings,
    pictures: Path,
    page: Path,
    settings: Mapping[str, object],
    advance: Callable[[int], None] = lambda count: None,
) -> int:
    """Write the page, and where there are many pictures, small copies of them beside it.

    Args:
        found: what it says.
        pictures: the folder that the cells' pictures are relative to.
        page: where it goes.
        settings: what a reader needs to repeat it, name by name.
        advance: is told how many pictures were done.

    Returns: how many pictures could not be read.
    Raises: OutputError.
    """
    shown, unreadable = [], 0
    if any(cell.picture for cell in found.cells):
        markup, unreadable = gallery(found, pictures, page, advance)
        shown = [markup]
    html = rendered(
        "Evaluation",
        finding=verdict(found),
        lead=_lead(found),
        figures=[
            Drawing(name, _svg(plots.as_svg(plot.figure)), plot.caption)
            for name, plot in front_plots(found).items()
        ],
        tables=tables(found),
        sections=shown,
        settings=settings,
        manual="docs/statistics.md",
    )
    save_text(html, page)
    return unreadable


def _svg(text: str) -> str:
    return text[text.index("<svg") :]


def _lead(found: Findings) -> str:
    """How much was looked at."""
    places = {place for sheet in found.sheets for place in sheet.places}
    concepts = {concept for concept, _, _ in places}
    prompts = {(concept, prompt) for concept, prompt, _ in places}
    return (
        f"{_many(len(concepts), 'concept')}, {_many(len(prompts), 'prompt')} of theirs, "
        f"{_many(len(places), 'prompt and seed', 'prompts and seeds')}; methods: {', '.join(found.methods)}; "
        f"{_many(len(found.arms), 'arm')}, each with the same noise."
    )


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def verdict(found: Findings) -> Finding:
    """What may be claimed, in a sentence or two."""
    if not found.primaries:
        return Finding(
            "No outcome was declared",
            reasons=["No score of these answers to context, so the figures are there to be looked at."],
        )
    declared = [
        f"{title(p.score)} {'higher' if p.claim == 'better' else f'not worse by more than {p.margin:g}'}"
        for p in found.primaries
    ]
    ways = {(claim.method, claim.gain.arm) for claim in found.claims}
    holding = [way(found, *each) for each in found.holding]
    reasons = [f"Declared, against {found.baseline}: {'; '.join(declared)}."]
    if holding:
        reasons.append(f"It holds for: {', '.join(holding)}.")
    if found.likeness and len(found.primaries) == 1:
        reasons.append(
            "No margin was stated, so nothing is declared of the likeness; see what it cost in its table."
        )
    return Finding(
        f"{len(holding)} of {_many(len(ways), 'way')} of drawing {'does' if len(holding) == 1 else 'do'} "
        "what was declared",
        reasons=reasons,
        tone="good" if holding else "",
    )
