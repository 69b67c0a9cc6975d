"""A comparison in words: the rows of its table, the sentence that says what happened, its JSON.

Everything said is computed from the records. Better, worse and no change are worded alike, and what the
adjustment costs in likeness is said wherever likeness was measured.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from ..adjusters import Adjuster
from ..concept import Concept
from ..metrics import Score, Share
from ..metrics.scores import first_that_answers
from ..output import plain
from ..reports.table import Table
from .records import Comparison

__all__ = ["as_json", "context_gains", "headline", "sentence", "table", "ways"]


def table(comparison: Comparison) -> Table:
    """A row an arm, a column a score; empty cells where an arm has no such score."""
    scores, rows = comparison.scores, []
    for arm in comparison.arms:
        found = comparison.summary(arm.name)
        cells = [score.cell(found[score.name]) if score.name in found else "" for score in scores]
        rows.append([arm.title(comparison.concept), *cells])
    head = ["", *(score.title for score in scores)]
    return Table("Figures", head, rows, [_note(comparison)], align="l" + "r" * len(scores))


def _note(comparison: Comparison) -> str:
    """What the brackets, the ± and the numbers in the table are."""
    prompts, seeds = len(comparison.prompts), len(comparison.seeds)
    of = f"{prompts} prompt{'s' * (prompts > 1)} × {seeds} seed{'s' * (seeds > 1)}"
    counted = f"{of} = {prompts * seeds} image{'s' * (prompts * seeds > 1)} a row"
    spread = "; ± is the standard deviation over seeds" if seeds > 1 else "; one seed, so no spread is known"
    notes = dict.fromkeys(score.note for score in comparison.scores if score.note)
    return " ".join([f"{counted}; [ ] is the 95% interval of a share{spread}.", *notes])


def sentence(comparison: Comparison) -> str:
    """What became of the context, arm by arm, and what that cost in likeness."""
    means = {arm.name: _means(comparison, arm.name) for arm in comparison.arms}
    adjusted = [arm.name for arm in comparison.arms if arm.altered]
    before = means.get("personalised", {})
    quoted = _quoted([score for score in comparison.scores if score.name in before])
    if not quoted:
        return "The images were drawn but not measured: look at the contact sheet."
    clauses = [score.told.format(score.written(before[score.name])) for score in quoted.values()]
    if "base" in means:
        first = next(iter(quoted.values()))
        clauses[0] += f" (base model {first.written(means['base'][first.name])})"
    parts = [f"the personalised model {' and '.join(clauses)}"]
    for name in adjusted:
        changes = [
            _change(what, before[score.name], means[name][score.name], score)
            for what, score in quoted.items()
        ]
        parts.append(f"with {name} the {' and the '.join(changes)}")
    text = "; ".join(parts) + "."
    return text[0].upper() + text[1:]


def _quoted(scores: list[Score]) -> dict[str, Score]:
    """The scores of the sentence, by what they are of: context and likeness, or whatever there is."""
    answers = {
        "context": first_that_answers("context", scores),
        "likeness": first_that_answers("likeness", scores),
    }
    found = {what: score for what, score in answers.items() if score is not None}
    return found or {score.title: score for score in scores[:1]}


def _means(comparison: Comparison, arm: str) -> dict[str, float]:
    summary = comparison.summary(arm)
    return {name: s.percent if isinstance(s, Share) else s.mean for name, s in summary.items()}


def _change(what: str, before: float, after: float, score: Score) -> str:
    difference = round(round(after, score.decimals) - round(before, score.decimals), score.decimals)
    if difference == 0:
        return f"{what} stays at {score.written(after)}"
    sign = "+" if difference > 0 else "−"
    size = f"{sign}{abs(difference):.{score.decimals}f} points"
    return f"{what} {'rises' if difference > 0 else 'falls'} to {score.written(after)} ({size})"


def headline(comparison: Comparison) -> str:
    """A title that claims what the figures show, and no more."""
    tried = ways(comparison)
    if not tried:
        return f"What becomes of the scene around “{comparison.concept.placeholder}”"
    it = " or ".join(tried)
    gains = context_gains(comparison)
    if gains is not None:
        lost, regained = gains
        if lost >= 20 and regained >= 10:
            return f"A personalised model forgets the scene it is asked for; {it} brings it back"
        if lost >= 20:
            return f"A personalised model forgets the scene it is asked for; here {it} does not bring it back"
    spelled_out = ["test-time embedding adjustment (TEA)" if way == "TEA" else way for way in tried]
    return f"The same prompts and seeds, without and with {' or '.join(spelled_out)}"


def ways(comparison: Comparison) -> list[str]:
    """What the arms do to the personalised model, each once."""
    return list(dict.fromkeys(arm.way for arm in comparison.arms if arm.altered))


def context_gains(comparison: Comparison) -> tuple[float, float] | None:
    """Points of context lost by personalising, and the most that an adjustment regained; None if unknown.

    Points are per cent of the pictures: without a judge that counts them nothing is known.
    """
    score = first_that_answers("context", [score for score in comparison.scores if score.share])
    if score is None:
        return None
    kept = {arm.name: _means(comparison, arm.name).get(score.name) for arm in comparison.arms}
    base, personalised = kept.get("base"), kept.get("personalised")
    adjusted = [kept[arm.name] for arm in comparison.arms if arm.altered]
    regained = [value for value in adjusted if value is not None]
    if base is None or personalised is None or not regained:
        return None
    return base - personalised, max(regained) - personalised


def as_json(comparison: Comparison, **more: Any) -> dict[str, Any]:
    """The whole comparison but its pixels, ready for ``json.dumps``; ``nan`` becomes ``None``."""
    return {
        "concept": _concept(comparison.concept),
        "settings": asdict(comparison.settings),
        "seeds": list(comparison.seeds),
        "prompts": [{"template": p.template, "context": p.context} for p in comparison.prompts],
        "arms": [
            arm.as_json()
            | {"scores": {name: plain(asdict(s)) for name, s in comparison.summary(arm.name).items()}}
            for arm in comparison.arms
        ],
        "records": [
            {"arm": r.arm, "prompt": r.prompt, "context": r.context, "seed": r.seed}
            | ({"file": r.file.name} if comparison.album.lasting else {})
            | r.scores
            for r in comparison.records
        ],
        "sentence": sentence(comparison),
        **more,
    }


def _concept(concept: Concept) -> dict[str, Any]:
    """Its fields, without its adjuster: how far it was moved, each arm says."""
    values = {each.name: getattr(concept, each.name) for each in fields(concept)}
    return {name: value for name, value in values.items() if not isinstance(value, Adjuster)}
