"""The same prompts and seeds, drawn several ways and measured.

arms            the ways to draw, and what people read of each
ways            the ways to draw by name, as commands ask for them
by_compel       the way that Compel draws
prompts         what is asked for
records         what is left: a record a picture, and the comparison that they make
compare         drawing and measuring
measures        who looks at the pictures and gives scores
summary         a comparison in words and as data
contact_sheet   as one picture
report          as one page

What may be imported from here is below. ``summary``, ``contact_sheet`` and ``report`` are for front ends,
which import them by name: the last two need Pillow and Jinja.
"""

from .arms import BASE, PERSONALISED, Arm, tea_arms, told_apart
from .compare import compare, comparing
from .measures import (
    MEASURES,
    ClipMeasure,
    Given,
    Measure,
    clip_measure,
    declared,
    judge_measure,
    middle_measure,
    named_measures,
)
from .prompts import ContextPrompt, UserPrompt
from .records import Album, Comparison, Record, Value
from .ways import WAYS, parse_arm, typed_arm, way

__all__ = [
    "BASE",
    "MEASURES",
    "PERSONALISED",
    "WAYS",
    "Album",
    "Arm",
    "ClipMeasure",
    "Comparison",
    "ContextPrompt",
    "Given",
    "Measure",
    "Record",
    "UserPrompt",
    "Value",
    "clip_measure",
    "compare",
    "comparing",
    "declared",
    "judge_measure",
    "middle_measure",
    "named_measures",
    "parse_arm",
    "tea_arms",
    "told_apart",
    "typed_arm",
    "way",
]
