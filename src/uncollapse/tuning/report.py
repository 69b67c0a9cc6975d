"""What tuning came to, for people: a sentence, a table, and a page with all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..comparison import BASE, PERSONALISED, Comparison
from ..comparison.report import alternative_text
from ..comparison.summary import as_json
from ..output import save_json, save_text
from ..reports.page import Finding, NextStep, as_drawing, drawings, rendered, save_image
from ..reports.table import Table
from .front import front
from .trials import Candidate, Tuned

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["in_json", "save_tuning", "sentence", "table"]

MANUAL = "docs/tuning.md"
OUT_OF_REACH = 0.25  # of the lost context: less is what no text brings back


def save_tuning(
    found: Tuned,
    photos: Sequence[Image],
    run: Mapping[str, object],
    folder: Path,
    then: NextStep | None = None,
) -> dict[str, Path]:
    """Write report.html, tuning.json, contact_sheet.png, front.png and front.svg; returns where they are.

    Args:
        photos: of the subject, for the sheet.
        run: what a reader needs to repeat it, name by name.
        then: what to run next.

    Raises: OutputError.
    """
    from ..comparison.contact_sheet import contact_sheet

    shown = _best_beside_the_rest(found)
    sheet = contact_sheet(shown, photos)
    plots = {"front": front(found)} if found.chosen else {}
    html = rendered(
        f"The strength for “{found.concept.placeholder}”",
        finding=_finding(found),
        picture=as_drawing(sheet, "contact-sheet", alternative_text(shown), "The first round's pictures"),
        figures=drawings(plots, folder),
        tables=[table(found)],
        settings=run,
        then=then,
        manual=MANUAL,
    )
    return {
        "contact_sheet": save_image(sheet, folder / "contact_sheet.png"),
        **{name: folder / f"{name}.png" for name in plots},
        "report": save_text(html, folder / "report.html"),
        "results": save_json(in_json(found) | {"run": dict(run)}, folder / "tuning.json"),
    }


def _best_beside_the_rest(found: Tuned) -> Comparison:
    """The first round's pictures: of both models, of what was chosen, and of the runner-up."""
    first = found.comparisons[0]
    best = [each.arm.name for each in found.candidates if each.pictures][:2]
    arms = [arm for arm in first.arms if arm in (BASE, PERSONALISED)]
    arms += [arm for name in best for arm in first.arms if arm.name == name]
    names = {arm.name for arm in arms}
    return replace(first, arms=tuple(arms), records=tuple(r for r in first.records if r.arm in names))


def in_json(found: Tuned) -> dict[str, Any]:
    """All that was tried, and every picture's scores, ready for ``json.dumps``."""
    return {
        "keep": str(found.keep),
        "says": sentence(found),
        "chosen": asdict(found.chosen) if found.chosen else None,
        "candidates": [asdict(each) for each in found.candidates],
        "pictures": found.drawn,
        "rounds": [as_json(each) for each in found.comparisons],
    }


def table(found: Tuned) -> Table:
    """A row for each way that was tried, the best first."""
    rows = [
        [each.arm.name, each.heard, _percent(each.context), _percent(each.likeness), each.pictures or None]
        for each in found.candidates
    ]
    head = ["way", "heard", "context back", "likeness left", "pictures"]
    return Table("What was tried", head, rows, align="lrrrr")


def sentence(found: Tuned) -> str:
    """What was chosen, what it gives, and what is to be known of it; or why nothing was."""
    best = found.chosen
    if best is None:
        return found.says
    parts = [f"Best for “{found.keep}”: {best.arm.name}; {_figures(best)}, over {best.pictures} pictures."]
    level = [each.arm.name for each in found.candidates if each.close and each is not best]
    if level:
        parts.append(f"These pictures hardly tell it from {' and '.join(level)}, to be trusted less.")
    if not found.keep.met(best.context or 0, best.likeness or 0):
        parts.append(f"None of those that were tried keeps {found.keep}; this one comes nearest.")
    parts.append(_out_of_reach(found, best))
    if best.arm.adjuster is None:
        parts.append("That is the LoRA turned down, and no adjustment: any program can do it.")
    return " ".join(filter(None, parts))


def _figures(each: Candidate) -> str:
    return (
        f"{_percent(each.context)} of the context that was lost is back and {_percent(each.likeness)} of the "
        "likeness is left"
    )


def _out_of_reach(found: Tuned, best: Candidate) -> str:
    """How little the text brings back, and what turning the denoiser's LoRA down does; "" where it serves."""
    drawn = [each for each in found.candidates if each.context is not None]
    of_text = [each for each in drawn if each.by_text]
    most = max(of_text, key=lambda each: each.context or 0, default=None)
    if most is None or (most.context or 0) >= OUT_OF_REACH:
        return ""
    says = (
        "The collapse sits in the denoiser, where no text reaches it: the most that a change of the text "
        f"brings back is {_percent(most.context)} of the context, {most.arm.name}."
    )
    for each in drawn:
        if not each.by_text and each is not best:
            says += f" With {each.arm.name} {_figures(each)}."
    return f"{says} An earlier checkpoint may serve better."


def _finding(found: Tuned) -> Finding:
    best = found.chosen
    if best is None:
        return Finding("healthy", "pictures", [sentence(found)], tone="good")
    met = found.keep.met(best.context or 0, best.likeness or 0)
    return Finding(
        best.arm.name, f"{best.pictures} pictures", [sentence(found)], tone="good" if met else "odd"
    )


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.0f}%"
