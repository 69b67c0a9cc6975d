"""The same prompts and seeds, drawn several ways and measured.

arms            the ways to draw, and what people read of each
prompts         what is asked for
records         what is left: a record a picture, and the comparison that they make
compare         drawing and measuring
measures        who looks at the pictures and gives scores
summary         a comparison in words and as data
contact_sheet   as one picture
report          as one page

What may be imported from here is below; ``summary``, ``contact_sheet`` and ``report`` are imported by name,
since the last two need Pillow and Jinja.
"""

from .arms import BASE, PERSONALISED, Arm, parse_arm, tea_arms, told_apart
from .compare import compare
from .measures import Measure, clip_measure, judge_measure
from .prompts import ContextPrompt, UserPrompt
from .records import Comparison, Record, Value

__all__ = [
    "BASE",
    "PERSONALISED",
    "Arm",
    "Comparison",
    "ContextPrompt",
    "Measure",
    "Record",
    "UserPrompt",
    "Value",
    "clip_measure",
    "compare",
    "judge_measure",
    "parse_arm",
    "tea_arms",
    "told_apart",
]
