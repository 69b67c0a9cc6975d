"""The outcomes that an evaluation is about, declared before it: more context, and a likeness not much worse.

Both are tested one-sided over concepts, by Student's t at 2.5 %, which is what a 95 % interval says that lies
above 0, or above −margin. Every arm that is tried and every outcome is one more chance to be lucky; Holm's
procedure holds the chance of a single false claim among all of them at 2.5 %. Whatever else is in a table is
there to be looked at.

Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..identities import declared_score
from .gains import Gain, gain, one_sided
from .sheets import Sheet

__all__ = ["LEVEL", "Claim", "Primary", "claims", "holm"]

LEVEL = 0.025


@dataclass(frozen=True)
class Primary:
    """An outcome that is declared beforehand.

    Args:
        score: its identity.
        claim: what is asked: "better" than the baseline, or "not worse" by more than the margin.
        margin: in the score's unit, per cent for shares; 0 where better is asked for.
    """

    score: str
    claim: Literal["better", "not worse"]
    margin: float = 0.0


@dataclass(frozen=True)
class Claim:
    """What became of a primary outcome for one method and arm.

    Args:
        method: how the concepts were taught.
        primary: the outcome.
        gain: the figures.
        p: of the one-sided test alone; nan where there is a single unit.
        adjusted: after Holm, over all claims of the evaluation.
    """

    method: str
    primary: Primary
    gain: Gain
    p: float
    adjusted: float

    @property
    def holds(self) -> bool:
        """Whether it may be claimed."""
        return self.adjusted <= LEVEL


def claims(
    sheets: Iterable[Sheet], primaries: Sequence[Primary], baseline: str, besides: Sequence[str] = ()
) -> list[Claim]:
    """A claim for each primary, method and arm but the baseline, their p adjusted together.

    Args:
        besides: arms that are there to be looked at, and that nothing is claimed of.

    Raises: EvaluationError, where a method has no such baseline.
    """
    found = [
        (sheet.method, primary, gain(sheet, arm, baseline))
        for primary in primaries
        for sheet in sheets
        if sheet.score == primary.score
        for arm in sheet.figures
        if arm not in (baseline, *besides)
    ]
    alone = [_p(primary, each) for _, primary, each in found]
    return [
        Claim(method, primary, each, p, adjusted)
        for (method, primary, each), p, adjusted in zip(found, alone, holm(alone), strict=True)
    ]


def _p(primary: Primary, found: Gain) -> float:
    up = 1 if declared_score(primary.score).higher_is_better else -1
    return one_sided([up * each for each in found.differences.values()], primary.margin)


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values: the i-th smallest of n times n − i + 1, and no less than those before it.

    Args:
        p: of all claims; nan, for what could not be tested, counts among them and stays nan.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, least = [math.nan] * len(p), 0.0
    for rank, i in enumerate(
        sorted((i for i, each in enumerate(p) if not math.isnan(each)), key=p.__getitem__)
    ):
        least = adjusted[i] = max(least, min(1.0, (len(p) - rank) * p[i]))
    return adjusted
