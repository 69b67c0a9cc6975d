"""Texts that people and files gave, for places that take more than texts: a terminal, an SVG.

Control characters move a terminal's cursor or change its title, and are not allowed in XML; the marks that
turn the direction of writing around let a name pass for another.
"""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "visible"]

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """``text``, each character that would not be seen, or not be allowed, as "�"; tabs and line ends stay.

    >>> visible("a\\x1b[31mcat")
    'a�[31mcat'
    """
    return HIDDEN.sub("�", text)
