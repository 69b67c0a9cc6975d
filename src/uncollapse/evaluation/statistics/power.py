"""What concepts, prompts and seeds buy: how wide the interval of a gain will be, and what gain it can show.

A paired gain varies between concepts, between the prompts of a concept and between the seeds of a prompt. Of
n concepts, P prompts each and S seeds each the mean has the standard error

    se² = (σ²_concept + σ²_prompt / P + σ²_seed / (P S)) / n

so more seeds take away the last part alone. The components are estimated from paired differences of before,
level by level: means vary by more than the level's own variance, by what is left of those below.

    detectable gain = (t(0.975; n−1) + t(0.8; n−1)) · se

is about the gain that the two-sided 5 % test finds in four of five cases. The true figure is a noncentral
t's: for three concepts it is 5 % larger, from five on 1 % or less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, variance

from ...errors import EvaluationError
from ...reports.table import Table
from .sheets import Sheet
from .student import quantile

__all__ = ["Components", "components", "detectable", "power_table", "standard_error"]

POWER = 0.8


@dataclass(frozen=True)
class Components:
    """The variances of a paired gain.

    Args:
        concept: between concepts.
        prompt: between the prompts of a concept.
        seed: between the seeds of a prompt.
    """

    concept: float
    prompt: float
    seed: float


def components(sheet: Sheet, arm: str, baseline: str) -> Components:
    """The variances of what an arm gains, estimated from figures; an estimate below 0 is 0.

    Raises: EvaluationError, where there are not two concepts, two prompts of a concept and two seeds of a
        prompt with both arms.
    """
    ours, theirs = sheet.of(arm), sheet.of(baseline)
    groups: dict[str, dict[str, list[float]]] = {}
    for concept, prompt, seed in sheet.places:
        if (place := (concept, prompt, seed)) in ours and place in theirs:
            groups.setdefault(concept, {}).setdefault(prompt, []).append(ours[place] - theirs[place])
    of_prompts = [[*map(fmean, prompts.values())] for prompts in groups.values()]
    repeated = [seeds for prompts in groups.values() for seeds in prompts.values() if len(seeds) > 1]
    several = [means for means in of_prompts if len(means) > 1]
    if len(groups) < 2 or not repeated or not several:
        raise EvaluationError(
            f"'{arm}' and '{baseline}' are both there for {len(groups)} concepts, of which {len(several)} "
            f"have two prompts or more, and {len(repeated)} prompts have two seeds or more: how a gain "
            "varies can only be told from at least two of each. Draw more, or take another run's components."
        )
    of_seed = sum(variance(seeds) * (len(seeds) - 1) for seeds in repeated)
    of_seed /= sum(len(seeds) - 1 for seeds in repeated)
    left = [of_seed * fmean(1 / len(seeds) for seeds in prompts.values()) for prompts in groups.values()]
    both = [*zip(of_prompts, left, strict=True)]
    of_prompt = fmean(float(variance(means)) - rest for means, rest in both if len(means) > 1)
    below = fmean((max(of_prompt, 0.0) + rest) / len(means) for means, rest in both)
    of_concept = float(variance([*map(fmean, of_prompts)])) - below
    return Components(max(of_concept, 0.0), max(of_prompt, 0.0), of_seed)


def standard_error(varies: Components, concepts: int, prompts: int, seeds: int) -> float:
    """The standard error of a mean gain.

    >>> round(standard_error(Components(0.37, 0.43, 4.96), concepts=9, prompts=13, seeds=8), 3)
    0.224
    """
    return math.sqrt((varies.concept + varies.prompt / prompts + varies.seed / (prompts * seeds)) / concepts)


def detectable(varies: Components, concepts: int, prompts: int, seeds: int) -> float:
    """The gain that is found in four of five cases; nan for a single concept, over which nothing is known."""
    if concepts < 2:
        return math.nan
    wide = quantile(0.975, concepts - 1) + quantile(POWER, concepts - 1)
    return wide * standard_error(varies, concepts, prompts, seeds)


def power_table(
    varies: Components, concepts: Iterable[int], prompts: int, seeds: Iterable[int], unit: str
) -> Table:
    """What more concepts and more seeds would buy, a row each.

    Args:
        varies: the variances.
        concepts, seeds: how many to think of.
        prompts: of each concept.
        unit: of the score.
    """
    seeds = list(seeds)
    rows = [
        [
            f"{n} × {prompts} × {s}",
            n * prompts * s,
            standard_error(varies, n, prompts, s),
            detectable(varies, n, prompts, s),
        ]
        for n in concepts
        for s in seeds
    ]
    return Table(
        "What concepts and seeds buy",
        ["concepts × prompts × seeds", "pictures an arm", "standard error", "detectable gain"],
        rows,
        [
            f"In the score's unit ({unit}). The gain is one that a two-sided test at 5% over concepts finds "
            f"in about {POWER:.0%} of cases. Variances: between concepts {varies.concept:.3g}, between the "
            f"prompts of a concept {varies.prompt:.3g}, between the seeds of a prompt {varies.seed:.3g}."
        ],
        align="lrrr",
    )
