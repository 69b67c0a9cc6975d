"""What figures of many pictures say, and how surely: intervals are over concepts, differences are paired.

student     Student's distribution
sheets      the cells of one score and method, arranged; nothing missing is dropped unsaid
gains       what an arm scores, and what it gains over a baseline
clusters    ratios, and areas under fronts, by a bootstrap in two levels
primaries   the outcomes declared beforehand, with Holm's procedure
power       what concepts, prompts and seeds buy
"""

from .clusters import area_under_front, front, kept, two_level
from .gains import Gain, Level, gain, level, one_sided, sign_flip, t_interval
from .power import Components, components, detectable, power_table, standard_error
from .primaries import LEVEL, Claim, Primary, claims, holm
from .sheets import Place, Sheet, sheet, sheets

__all__ = [
    "LEVEL",
    "Claim",
    "Components",
    "Gain",
    "Level",
    "Place",
    "Primary",
    "Sheet",
    "area_under_front",
    "claims",
    "components",
    "detectable",
    "front",
    "gain",
    "holm",
    "kept",
    "level",
    "one_sided",
    "power_table",
    "sheet",
    "sheets",
    "sign_flip",
    "standard_error",
    "t_interval",
    "two_level",
]
