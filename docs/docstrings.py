"""The house's docstrings as the reference's builder reads them, which knows Google's ``Args:`` alone."""

from __future__ import annotations

import re

LABELLED = re.compile(r"^(Returns|Yields|Raises|Source|Example): ?(.*(?:\n[ ]+\S.*)*)$", re.MULTILINE)
DOCTEST = re.compile(r"^>>> .*(?:\n\S.*)*", re.MULTILINE)


def for_google(text: str) -> str:
    """A docstring with ``Returns: …`` and its kind as paragraphs of their own, doctests as blocks of code."""
    text = LABELLED.sub(lambda found: f"\n**{found[1]}:** {' '.join(found[2].split())}\n", text)
    text = DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
