"""What an evaluation comes to: its sheets, its baseline, the declared outcomes, and what may be claimed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...comparison import BASE, PERSONALISED
from ...errors import EvaluationError, Setting
from ..cells import Cell
from ..identities import answering
from ..statistics import Claim, Primary, Sheet, claims, sheets

__all__ = ["Findings", "findings"]


@dataclass(frozen=True)
class Findings:
    """What an evaluation comes to.

    Args:
        cells: all there are.
        sheets: a score and a method each.
        baseline: the arm that the others are held against.
        context, likeness: the identities of the scores that answer these questions; None where none does.
        primaries: the declared outcomes.
        claims: what became of them.
    """

    cells: tuple[Cell, ...]
    sheets: tuple[Sheet, ...]
    baseline: str
    context: str | None
    likeness: str | None
    primaries: tuple[Primary, ...]
    claims: tuple[Claim, ...]

    @property
    def scores(self) -> list[str]:
        """The identities, those of the declared outcomes first."""
        first = [each for each in (self.context, self.likeness) if each]
        return list(dict.fromkeys([*first, *(sheet.score for sheet in self.sheets)]))

    @property
    def methods(self) -> list[str]:
        """How the concepts were taught."""
        return list(dict.fromkeys(sheet.method for sheet in self.sheets))

    @property
    def arms(self) -> list[str]:
        """All there are, the baseline first among those that are held against it."""
        return list(dict.fromkeys(arm for sheet in self.sheets for arm in sheet.figures))

    def sheet(self, score: str | None, method: str) -> Sheet | None:
        """The sheet of a score and a method; None where the method has no such score."""
        return next((each for each in self.sheets if (each.score, each.method) == (score, method)), None)

    @property
    def holding(self) -> list[tuple[str, str]]:
        """(method, arm) of which every declared outcome may be claimed."""
        ways = dict.fromkeys((claim.method, claim.gain.arm) for claim in self.claims)
        return [way for way in ways if all(claim.holds for claim in self.claims_of(*way))]

    def points(self, method: str) -> tuple[Sheet, Sheet, list[str]] | None:
        """A method's context and likeness, and the arms that have both and draw the concept; None without."""
        context, likeness = self.sheet(self.context, method), self.sheet(self.likeness, method)
        if context is None or likeness is None:
            return None
        arms = [arm for arm in context.figures if arm in likeness.figures and arm != BASE.name]
        return context, likeness, arms

    def claims_of(self, method: str, arm: str) -> list[Claim]:
        """What became of the declared outcomes for one arm."""
        return [claim for claim in self.claims if (claim.method, claim.gain.arm) == (method, arm)]


def findings(
    cells: Iterable[Cell],
    baseline: str = PERSONALISED.name,
    margin: float | None = None,
    context: str | None = None,
    likeness: str | None = None,
) -> Findings:
    """What an evaluation comes to.

    Args:
        cells: of any scores, methods and arms.
        baseline: the arm that the others are held against.
        margin: by how much the likeness may fall and still count as not worse, in its unit, per cent for
            shares; None declares nothing of the likeness.
        context, likeness: the scores that answer these questions, by identity or by its first part; None for
            the first that does.

    Raises: EvaluationError: for no cells, for an arm or a score that is not there, for a margin below 0, or
        one that there is no likeness to.
    """
    cells = tuple(cells)
    arranged = tuple(sheets(cells))
    if not arranged:
        raise EvaluationError("There are no cells, so there is nothing to report. Score the pictures first.")
    for sheet in arranged:
        sheet.of(baseline)
    identities = list(dict.fromkeys(sheet.score for sheet in arranged))
    of_context = _score(context, "context", identities)
    of_likeness = _score(likeness, "likeness", identities)
    if margin is not None and (margin < 0 or of_likeness is None):
        what = "is below 0" if of_likeness else "is stated, and no score of these answers to likeness"
        raise EvaluationError(Setting("margin"), f"={margin:g} {what}. Leave it out, or give 0 or more.")
    declared = [Primary(of_context, "better")] if of_context else []
    if of_likeness and margin is not None:
        declared.append(Primary(of_likeness, "not worse", margin))
    made = claims(arranged, declared, baseline, besides=[BASE.name])
    return Findings(cells, arranged, baseline, of_context, of_likeness, tuple(declared), tuple(made))


def _score(
    named: str | None, question: Literal["context", "likeness"], identities: Sequence[str]
) -> str | None:
    """The identity that answers a question."""
    if named is None:
        return answering(question, identities)
    fitting = [each for each in identities if named in (each, each.split("|")[0])]
    if len(fitting) != 1:
        there = "; ".join(fitting or identities)
        what = "is no score of these" if not fitting else "is the name of several"
        raise EvaluationError(
            Setting(question), f"='{named}' {what}: {there}. Give the whole identity of one of them."
        )
    return fitting[0]
