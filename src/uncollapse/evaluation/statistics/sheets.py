"""The cells of one score and one method, arranged: a figure for each arm, concept, prompt and seed.

All arms of a sheet were to be drawn at the same places. A place where an arm has no figure is missing from
that arm, and is counted; nothing is averaged over two identities, two methods, or the same picture twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from ...errors import EvaluationError, Setting
from ..cells import Cell
from ..identities import declared_score

__all__ = ["Place", "Sheet", "prompt_means", "sheet", "sheets"]

Place = tuple[str, str, int]
"""Concept, prompt, seed."""


@dataclass(frozen=True)
class Sheet:
    """The figures of one score and one method.

    Args:
        score: the score's identity.
        method: how the concepts were taught.
        figures: by arm, then by place; of a share (yes or no) in per cent, so 100 or 0. What is missing is
            not in it.
        places: where any arm has a cell, with a figure or without.
    """

    score: str
    method: str
    figures: Mapping[str, Mapping[Place, float]]
    places: tuple[Place, ...]

    @cached_property
    def concepts(self) -> list[str]:
        """Whose pictures they are, in the order in which they came."""
        return list(dict.fromkeys(concept for concept, _, _ in self.places))

    def of(self, arm: str) -> Mapping[Place, float]:
        """The figures of one arm.

        Raises: EvaluationError, for an arm that is not there.
        """
        if arm not in self.figures:
            there = ", ".join(f"'{each}'" for each in self.figures)
            raise EvaluationError(
                f"'{arm}' is no arm of {self.method}, which has {there}. Give one of them with ",
                Setting("baseline"),
                ".",
            )
        return self.figures[arm]

    def missing(self, arm: str) -> int:
        """At how many places this arm has no figure."""
        return len(self.places) - len(self.of(arm))


def sheets(cells: Iterable[Cell]) -> list[Sheet]:
    """A sheet for each score and method, in the order in which they come.

    Raises: EvaluationError, for two figures of one picture.
    """
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.score, cell.method), []).append(cell)
    return [sheet(group) for group in groups.values()]


def sheet(cells: Iterable[Cell]) -> Sheet:
    """The sheet of some cells, which are of one score and one method.

    Raises: EvaluationError, for cells of two identities or two methods, for two figures of one picture, and
        where there are none.
    """
    cells = list(cells)
    score = _only("score", {cell.score for cell in cells})
    method = _only("method", {cell.method for cell in cells})
    scale = 100.0 if declared_score(score).share else 1.0
    seen: dict[tuple[str, Place], None] = {}
    figures: dict[str, dict[Place, float]] = {}
    for cell in cells:
        place = (cell.concept, cell.prompt, cell.seed)
        if (cell.arm, place) in seen:
            raise EvaluationError(
                f"There are two figures of one picture: {score}, {method}, '{cell.arm}', concept "
                f"'{cell.concept}', prompt '{cell.prompt}', seed {cell.seed}. Leave one of them out: counted "
                "twice, it would narrow the intervals."
            )
        seen[cell.arm, place] = None
        known = figures.setdefault(cell.arm, {})
        if cell.value is not None and not math.isnan(cell.value):
            known[place] = scale * cell.value
    return Sheet(score, method, figures, tuple(dict.fromkeys(place for _, place in seen)))


def _only(what: str, found: set[str]) -> str:
    if len(found) == 1:
        return next(iter(found))
    if not found:
        raise EvaluationError("There are no cells, so there is nothing to average. Give those of a run.")
    raise EvaluationError(
        f"These cells are of {len(found)} {what}s, which are never averaged: {'; '.join(sorted(found))}. "
        f"Take one {what} at a time, as sheets() does."
    )


def prompt_means(values: Mapping[Place, float]) -> dict[str, dict[str, float]]:
    """By concept and prompt, the mean over seeds."""
    seeds: dict[str, dict[str, list[float]]] = {}
    for (concept, prompt, _), value in values.items():
        seeds.setdefault(concept, {}).setdefault(prompt, []).append(value)
    return {c: {p: fmean(each) for p, each in prompts.items()} for c, prompts in seeds.items()}
