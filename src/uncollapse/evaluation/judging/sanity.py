"""Whether a judge can be trusted: it ranks what is known, repeats itself, and agrees with people.

A judge is rejected that ranks fewer than three of four known pairs, or whose alpha with itself or with people
is below .667, the least from which even tentative conclusions are drawn.
Source of that: K. Krippendorff, "Content Analysis", 2004, chapter 11.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ..agreement import alpha
from .items import Control, Item
from .replies import Verdict

__all__ = ["AGREEMENT", "RANKED", "Sanity", "ranked", "self_agreement"]

RANKED = 0.75
AGREEMENT = 0.667

Seen = Callable[[Item], Verdict]


@dataclass(frozen=True)
class Sanity:
    """What is known of a judge.

    Args:
        ranked: by kind of control, the share of pairs in the right order, a tie as half; nan for a kind of
            which no pair was answered.
        itself: Krippendorff's alpha over repeated questions, by question; nan where nothing can be told.
        people: with people's ratings, by question; empty where there are none.
    """

    ranked: Mapping[str, float]
    itself: Mapping[str, float]
    people: Mapping[str, float]

    @property
    def faults(self) -> list[str]:
        """Why the judge is rejected, a sentence each; empty for one that can be trusted."""
        said = [
            f"of the pairs with {kind} it ranked {share:.0%}, and {RANKED:.0%} are needed"
            for kind, share in self.ranked.items()
            if not share >= RANKED
        ]
        for whom, alphas in (("itself", self.itself), ("people", self.people)):
            said += [
                f"on the question of the {question} its alpha with {whom} is {value:.2f}, and {AGREEMENT} is "
                "needed"
                for question, value in alphas.items()
                if value < AGREEMENT
            ]
        return said


def ranked(pairs: Sequence[Control], seen: Seen) -> dict[str, float]:
    """By kind of control, the share of pairs in the right order, a tie as half.

    Args:
        pairs: the controls.
        seen: the judge's verdict on an item. A pair of which one has none is ranked wrongly.
    """
    found: dict[str, list[float]] = {}
    for pair in pairs:
        higher, lower = seen(pair.higher).answers, seen(pair.lower).answers
        if higher is None or lower is None:
            found.setdefault(pair.kind, []).append(0.0)
        else:
            difference = higher["score"] - lower["score"]
            found.setdefault(pair.kind, []).append(0.5 + 0.5 * math.copysign(difference != 0, difference))
    return {kind: fmean(each) for kind, each in found.items()}


def self_agreement(repeated: Sequence[Sequence[Item]], seen: Seen) -> dict[str, float]:
    """Alpha of the grades over repeats, by question.

    Args:
        repeated: each item with its repeats.
        seen: the judge's verdict on an item.
    """
    found: dict[str, list[list[float | None]]] = {}
    for group in repeated:
        answers = [seen(item).answers for item in group]
        grades = [None if each is None else float(each["score"]) for each in answers]
        found.setdefault(group[0].question.name, []).append(grades)
    return {name: alpha([*zip(*rows, strict=True)]) for name, rows in found.items()}
