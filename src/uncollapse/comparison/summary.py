"""A comparison in words: the rows of its table, the sentence that says what happened, its JSON.

Everything said is computed from the records. Better, worse and no change are worded alike, and what the
adjustment costs in likeness is said wherever likeness was measured.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ..metrics import Share
from .compare import Arm, Comparison
from .measures import TITLES


def table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings, and one row an arm; empty cells where an arm has no such score."""
    summaries = {arm.name: comparison.summary(arm.name) for arm in comparison.arms}
    names = [name for name in TITLES if any(name in summary for summary in summaries.values())]
    rows = [
        [arm_title(arm, comparison), *(str(summaries[arm.name].get(name, "")) for name in names)]
        for arm in comparison.arms
    ]
    return ["", *(TITLES[name] for name in names)], rows


def arm_title(arm: Arm, comparison: Comparison) -> str:
    """An arm in plain words."""
    if not arm.personalised:
        return f"Base model, “{comparison.concept.anchor}”"
    if arm.adjuster is None:
        return f"Personalised, “{comparison.concept.placeholder}”"
    return f"With {arm.name}"


def table_note(comparison: Comparison) -> str:
    """What the brackets and the ± in the table are."""
    prompts, seeds = len(comparison.prompts), len(comparison.seeds)
    counted = f"{prompts} prompts × {seeds} seeds = {prompts * seeds} images a row"
    spread = "; ± is the standard deviation over seeds" if seeds > 1 else "; one seed, so no spread is known"
    return f"{counted}; [ ] is the 95% interval of a share{spread}. CLIP scores are cosines × 100."


def sentence(comparison: Comparison) -> str:
    """What became of the context, arm by arm, and what that cost in likeness."""
    means = {arm.name: _means(comparison, arm.name) for arm in comparison.arms}
    adjusted = [arm.name for arm in comparison.arms if arm.adjuster is not None]
    scale = next((scale for scale in SCALES if scale.context in means.get("personalised", {})), None)
    if scale is None:
        return "The images were drawn but not measured: look at the contact sheet."
    before = means["personalised"]
    parts = [f"the personalised model {scale.of_context.format(scale.write(before[scale.context]))}"]
    if "base" in means:
        parts[0] += f" (base model {scale.write(means['base'][scale.context])})"
    if scale.likeness in before:
        parts[0] += f" and {scale.of_likeness.format(scale.write(before[scale.likeness]))}"
    for name in adjusted:
        changes = [_change("context", before[scale.context], means[name][scale.context], scale)]
        if scale.likeness in before:
            changes.append(_change("likeness", before[scale.likeness], means[name][scale.likeness], scale))
        parts.append(f"with {name} the {' and the '.join(changes)}")
    text = "; ".join(parts) + "."
    return text[0].upper() + text[1:]


@dataclass(frozen=True)
class Scale:
    """A pair of scores that answer the two questions, context and likeness, and how they are worded."""

    context: str
    likeness: str
    of_context: str
    of_likeness: str
    decimals: int
    unit: str

    def write(self, value: float) -> str:
        return f"{value:.{self.decimals}f}{self.unit}"


SCALES = (  # the judge's counts, where there is a judge, say more than CLIP's cosines
    Scale(
        "context_kept",
        "identity_kept",
        "keeps the asked-for context in {} of its images",
        "the likeness in {}",
        0,
        "%",
    ),
    Scale(
        "clip_t_context", "clip_i", "scores a CLIP-T for the context of {}", "a CLIP-I likeness of {}", 1, ""
    ),
)


def _means(comparison: Comparison, arm: str) -> dict[str, float]:
    summary = comparison.summary(arm)
    return {name: s.percent if isinstance(s, Share) else s.mean for name, s in summary.items()}


def _change(what: str, before: float, after: float, scale: Scale) -> str:
    difference = round(after, scale.decimals) - round(before, scale.decimals)
    if round(difference, scale.decimals) == 0:
        return f"{what} stays at {scale.write(after)}"
    sign = "+" if difference > 0 else "−"
    size = f"{sign}{abs(difference):.{scale.decimals}f} points"
    return f"{what} {'rises' if difference > 0 else 'falls'} to {scale.write(after)} ({size})"


def headline(comparison: Comparison) -> str:
    """A title that claims what the figures show, and no more."""
    if not any(arm.adjuster for arm in comparison.arms):
        return f"What becomes of the scene around “{comparison.concept.placeholder}”"
    gains = context_gains(comparison)
    if gains is not None:
        lost, regained = gains
        if lost >= 20 and regained >= 10:
            return "A personalised model forgets the scene it is asked for; TEA brings it back"
        if lost >= 20:
            return "A personalised model forgets the scene it is asked for; here TEA does not bring it back"
    return "The same prompts and seeds, without and with test-time embedding adjustment (TEA)"


def context_gains(comparison: Comparison) -> tuple[float, float] | None:
    """Points of context lost by personalising, and the most that an adjustment regained; None if unknown."""
    kept = {arm.name: _means(comparison, arm.name).get("context_kept") for arm in comparison.arms}
    base, personalised = kept.get("base"), kept.get("personalised")
    adjusted = [kept[arm.name] for arm in comparison.arms if arm.adjuster is not None]
    regained = [value for value in adjusted if value is not None]
    if base is None or personalised is None or not regained:
        return None
    return base - personalised, max(regained) - personalised


def as_json(comparison: Comparison, **more: Any) -> dict[str, Any]:
    """The whole comparison but its pixels, ready for ``json.dumps``; ``nan`` becomes ``None``."""
    return {
        "concept": asdict(comparison.concept),
        "settings": asdict(comparison.settings),
        "seeds": list(comparison.seeds),
        "prompts": [{"template": p.template, "context": p.context} for p in comparison.prompts],
        "arms": [
            {
                "name": arm.name,
                "adjustment": asdict(arm.adjuster) if arm.adjuster else None,
                "personalised": arm.personalised,
                "scores": {name: _plain(asdict(s)) for name, s in comparison.summary(arm.name).items()},
            }
            for arm in comparison.arms
        ],
        "records": [
            {"arm": r.arm, "prompt": r.prompt, "context": r.context, "seed": r.seed, **r.scores}
            for r in comparison.records
        ],
        "sentence": sentence(comparison),
        **more,
    }


def _plain(scores: dict[str, Any]) -> dict[str, Any]:
    """JSON has no ``nan``."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in scores.items()}
