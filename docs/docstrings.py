"""The house's docstrings as the reference's builder reads them, which knows Google's ``Args:`` and no more.

``Returns: …``, ``Raises: …`` and their kind each become a paragraph of its own, and a doctest a code block.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

LABELLED = re.compile(r"^(Returns|Yields|Raises|Source|Example): ?(.*(?:\n[ ]+\S.*)*)$", re.MULTILINE)
DOCTEST = re.compile(r"^>>> .*(?:\n\S.*)*", re.MULTILINE)


class HouseStyle(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = for_google(obj.docstring.value)


def for_google(text: str) -> str:
    """A docstring without labels on the line of their text.

    >>> for_google("Halves.\\n\\nReturns: half,\\n    rounded.\\nRaises: TypeError.")
    'Halves.\\n\\n**Returns:** half, rounded.\\n\\n**Raises:** TypeError.'
    """
    text = LABELLED.sub(lambda found: f"\n**{found[1]}:** {' '.join(found[2].split())}\n", text)
    text = DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
