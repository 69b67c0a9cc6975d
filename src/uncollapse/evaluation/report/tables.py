"""The tables of a report: declared outcomes, fronts, and of each score what every arm has and gains."""

from __future__ import annotations

import math

from ...reports.table import NOTHING, Table
from ..identities import declared_score, title
from ..statistics import LEVEL, area_under_front, gain, kept, level
from .findings import Findings

__all__ = ["claims_table", "fronts_table", "score_table", "tables", "way"]


def tables(found: Findings) -> list[Table]:
    """All of them, the declared outcomes first."""
    first = [table for table in (claims_table(found), fronts_table(found)) if table.rows]
    return [*first, *(score_table(found, score) for score in found.scores)]


def way(found: Findings, method: str, arm: str) -> str:
    """An arm's name, with the method's where there are several."""
    return f"{method}: {arm}" if len(found.methods) > 1 else arm


def claims_table(found: Findings) -> Table:
    """What was declared, and whether it may be claimed."""
    rows = [
        [
            way(found, claim.method, claim.gain.arm),
            f"{title(claim.primary.score)} {_asked(claim.primary.claim, claim.primary.margin)}",
            claim.gain.interval,
            p_text(claim.p),
            p_text(claim.adjusted),
            "yes" if claim.holds else "not shown",
        ]
        for claim in found.claims
    ]
    note = (
        f"Against {found.baseline}. p: one-sided, over {_over(found)}; Holm: the same, adjusted for "
        f"{len(found.claims)} claim{'s' * (len(found.claims) != 1)}. A claim holds where that is at most "
        f"{LEVEL:g}; every other figure of this page is there to be looked at, and adjusted for nothing."
    )
    head = ["", "declared", "gain", "p", "p by Holm", "holds"]
    return Table("Declared outcomes", head, rows, [note], align="llrrrl")


def _asked(claim: str, margin: float) -> str:
    return "higher" if claim == "better" else f"not worse by more than {margin:g}"


def _over(found: Findings) -> str:
    """What the intervals are over, in words."""
    concepts = {concept for sheet in found.sheets for concept in sheet.concepts}
    return f"{len(concepts)} concepts" if len(concepts) > 1 else "the prompts of one concept"


def score_table(found: Findings, score: str) -> Table:
    """What every arm has of a score, and gains over the baseline."""
    rows = []
    for method in found.methods:
        if (sheet := found.sheet(score, method)) is None:
            continue
        for arm in sheet.figures:
            has = level(sheet, arm)
            absent = f"{has.missing} of {len(sheet.places)}" if has.missing else "0"
            row = [way(found, method, arm), has.interval]
            if arm == found.baseline:
                rows.append([*row, *[""] * 6, absent])
                continue
            over = gain(sheet, arm, found.baseline)
            ratio = kept(sheet.of(arm), sheet.of(found.baseline))
            rows.append(
                [
                    *row,
                    over.interval,
                    p_text(over.p),
                    _plain(over.effect),
                    f"{over.better}/{over.units}",
                    "" if math.isnan(over.wins) else f"{over.wins:.0%}",
                    _plain(ratio.value),
                    absent,
                ]
            )
    about = declared_score(score)
    of = "concepts" if "concepts" in _over(found) else "prompts"
    head = ["", "mean", "gain", "p", "d_z", f"{of} better", "pairs won", "× baseline", "missing"]
    notes = [f"{about.unit or 'In its own unit'}{'' if about.higher_is_better else '; lower is better'}."]
    notes += [f"Score: {score}", *_said_of_missing(found, score)]
    notes += _how_to_read(found) if score == found.scores[0] else []
    return Table(about.title, head, rows, notes, align="l" + "r" * 8)


def _how_to_read(found: Findings) -> list[str]:
    over = _over(found)
    those = "" if "concepts" in over else " They are of these prompts: other concepts may differ."
    return [
        f"In this table and those below, [ ]: Student's 95% interval over {over}.{those} gain: paired with "
        f"{found.baseline}, prompt by prompt and seed by seed. p: exact sign-flip test, two-sided. d_z: gain "
        "over its standard deviation. pairs won: of one prompt and seed, a tie as half. × baseline: ratio of "
        "the means."
    ]


def _said_of_missing(found: Findings, score: str) -> list[str]:
    """Which arms lack figures, and that their pairs count nowhere."""
    said = []
    for method in found.methods:
        if (sheet := found.sheet(score, method)) is None:
            continue
        for arm in sheet.figures:
            lost = gain(sheet, arm, found.baseline).missing
            if lost and arm != found.baseline:
                said.append(f"{lost} of {way(found, method, arm)}")
    return [f"Pairs left out because one or both have no figure: {'; '.join(said)}."] if said else []


def fronts_table(found: Findings) -> Table:
    """How much of context and likeness together each method's arms reach."""
    rows = []
    for method in found.methods:
        if points := found.points(method):
            context, likeness, arms = points
            area = area_under_front([context.of(a) for a in arms], [likeness.of(a) for a in arms])
            rows.append([method, len(arms), area])
    note = (
        "The area of (context, likeness) that a method's arms dominate, from (0, 0); [ ]: 95% interval by a "
        f"bootstrap over concepts, then prompts (of {_over(found)}; of fewer than about 20 it is too narrow)."
    )
    return Table("Fronts", ["method", "arms", "area"], rows, [note], align="lrr")


def p_text(p: float) -> str:
    """Three decimals; less is said to be less.

    >>> p_text(0.03125), p_text(0.0001)
    ('0.031', '<0.001')
    """
    if math.isnan(p):
        return NOTHING
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def _plain(value: float) -> str:
    return NOTHING if not math.isfinite(value) else f"{value:.2f}"
