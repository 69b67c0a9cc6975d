"""Whether two evaluations differ, and why: settings, what was scored and how, and only then the numbers.

Numbers are compared where they are of the same score, to the last part of its identity, and of the same
method
and arm: at the concepts, prompts and seeds that both have, paired as an arm is with its baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..admission import json_from, text_from
from ..errors import FileFormatError
from ..reports.table import Table, written
from .cells import Cell
from .identities import title
from .run import RUN
from .statistics import Gain, gain, sheet

__all__ = ["Differences", "Number", "differences", "settings_of"]

FIRST, SECOND = "first", "second"
LONGEST = 60  # characters of a setting
PARTS: dict[str, Callable[[Cell], object]] = {
    "scores": lambda cell: cell.score,
    "methods": lambda cell: cell.method,
    "arms": lambda cell: cell.arm,
    "concepts": lambda cell: cell.concept,
    "prompts": lambda cell: cell.prompt,
    "seeds": lambda cell: cell.seed,
}


@dataclass(frozen=True)
class Number:
    """One score, method and arm of both.

    Args:
        score: its identity.
        method, arm: of the pictures.
        means: of the first and of the second, where both have figures.
        gain: of the second over the first; its ``missing`` counts the places that only one of them has.
    """

    score: str
    method: str
    arm: str
    means: tuple[float, float]
    gain: Gain


@dataclass(frozen=True)
class Differences:
    """What differs between two evaluations.

    Args:
        settings: by name, the value of each; "–" where it has none.
        only: by what it is, what only the first has and what only the second has.
        identities: scores of one name that were measured differently: the parts of each that the other lacks.
        numbers: of what both have.
    """

    settings: Mapping[str, tuple[str, str]]
    only: Mapping[str, tuple[list[str], list[str]]]
    identities: Mapping[str, tuple[str, str]]
    numbers: Sequence[Number]

    @property
    def tables(self) -> list[Table]:
        """All of it, without tables of nothing."""
        head = ["", FIRST, SECOND]
        only = [[what, *("; ".join(each) or "–" for each in both)] for what, both in self.only.items()]
        made = [
            Table(
                "Settings that differ", head, [[n, *both] for n, both in self.settings.items()], align="lll"
            ),
            Table(
                "Scores of one name, measured differently",
                head,
                [[name, *both] for name, both in self.identities.items()],
                ["Their figures are two quantities, and are not compared."],
                align="lll",
            ),
            Table("What only one of them has", head, only, align="lll"),
            self._numbers(),
        ]
        return [table for table in made if table.rows]

    def _numbers(self) -> Table:
        rows = [
            [
                " · ".join([title(each.score), each.method, each.arm]),
                *each.means,
                written(each.gain.interval),  # in full in a terminal too
                f"{each.gain.p:.3f}",
                each.gain.pairs,
                each.gain.missing,
            ]
            for each in self.numbers
        ]
        over = " or ".join(sorted({each.gain.over for each in self.numbers}))
        note = (
            f"Where both have a figure. [ ]: Student's 95% interval over {over}; p: exact sign-flip test. "
            "The same settings and seeds differ by nothing, or something is not the same after all."
        )
        head = ["", FIRST, SECOND, "difference", "p", "pairs", "in one alone"]
        return Table("Figures", head, rows, [note], align="lrrrrrr", alike="rows")


def differences(
    first: Sequence[Cell],
    second: Sequence[Cell],
    settings: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> Differences:
    """What differs between two evaluations.

    Args:
        first, second: their cells.
        settings: of each, as deep as they come.

    Raises: EvaluationError, for two figures of one picture.
    """
    flat = [_flat(each) for each in settings]
    names = list(dict.fromkeys([*flat[0], *flat[1]]))
    changed = {name: (flat[0].get(name, "–"), flat[1].get(name, "–")) for name in names}
    only = {}
    for what, part in PARTS.items():
        ours, theirs = (dict.fromkeys(map(part, cells)) for cells in (first, second))
        lacks = ([str(x) for x in ours if x not in theirs], [str(x) for x in theirs if x not in ours])
        if any(lacks):
            only[what] = lacks
    return Differences(
        {name: both for name, both in changed.items() if both[0] != both[1]},
        only,
        _identities(*only.get("scores", ([], []))),
        _compared(first, second),
    )


def _identities(ours: Sequence[str], theirs: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Of scores of one name that only one has each, the parts of each that the other lacks."""
    found = {}
    for one in ours:
        for other in theirs:
            a, b = one.split("|"), other.split("|")
            if a[0] == b[0]:
                found[title(one)] = (
                    "|".join(part for part in a if part not in b) or "–",
                    "|".join(part for part in b if part not in a) or "–",
                )
    return found


def _compared(first: Sequence[Cell], second: Sequence[Cell]) -> list[Number]:
    groups: dict[tuple[str, str, str], dict[str, list[Cell]]] = {}
    for name, cells in ((FIRST, first), (SECOND, second)):
        for cell in cells:
            group = groups.setdefault((cell.score, cell.method, cell.arm), {})
            group.setdefault(name, []).append(replace(cell, arm=name))
    numbers = []
    for key, both in groups.items():
        if len(both) == 2:
            arranged = sheet([*both[FIRST], *both[SECOND]])
            shared = [p for p in arranged.places if all(p in arranged.of(each) for each in both)]
            means = [_mean(arranged.of(each), shared) for each in (FIRST, SECOND)]
            numbers.append(Number(*key, (means[0], means[1]), gain(arranged, SECOND, FIRST)))
    return numbers


def _mean(values: Mapping[Any, float], places: Sequence[Any]) -> float:
    return sum(values[place] for place in places) / len(places) if places else float("nan")


def settings_of(run: Path) -> dict[str, Any]:
    """What a run's folder says of how it was made; nothing for a file of cells.

    Raises: FileFormatError.
    """
    file = run / RUN
    if not file.is_file():
        return {}
    try:
        given = json_from(text_from(file))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"'{file}' cannot be read: {error}. Give the folder of a whole run.") from error
    return given if isinstance(given, dict) else {}


def _flat(settings: Any, name: str = "") -> dict[str, str]:
    """Settings within settings as "settings.num_inference_steps"; a list as a text."""
    if isinstance(settings, dict):
        return {
            key: value
            for each, inner in settings.items()
            for key, value in _flat(inner, f"{name}.{each}" if name else str(each)).items()
        }
    text = str(settings)
    return {name: text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"}
