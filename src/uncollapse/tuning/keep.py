"""What the user would rather keep. Adjusting trades likeness for context, and no number decides how much.

Both are shares of what there is to have: of the context that personalising lost, what is back; of the
likeness that it brought, what is left. 0 is none, 1 all; each may lie a little outside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import AdjustmentError

__all__ = ["Keep"]

FORM = re.compile(r"(likeness|context)(?:\s+(\d+(?:\.\d+)?)\s*%?)?")
SHARE = 0.95
SEVERITY = 2.0  # of what is missing, while figures rest on a handful of pictures


@dataclass(frozen=True)
class Keep:
    """A wish: at least a share of one, and then as much as can be had of the other; or both alike.

    Args:
        what: "likeness", "context" or "balance".
        share: at least how much of it, 0 to 1; "balance" has none.
    """

    what: str = "balance"
    share: float = SHARE

    @classmethod
    def parsed(cls, text: str) -> Keep:
        """A wish as it is typed: "balance", "likeness 95%", "context".

        Raises: AdjustmentError.
        """
        text = text.strip().lower()
        if text == "balance":
            return cls()
        found = FORM.fullmatch(text)
        share = float(found[2]) / 100 if found and found[2] else SHARE
        if not found or not 0 < share <= 1:
            raise AdjustmentError(
                f"'{text}' is no wish that can be met: say balance, likeness, context, or one of the last "
                "two with a share above 0 and up to 100, such as likeness 95%."
            )
        return cls(found[1], share)

    def value(self, context: float, likeness: float) -> float:
        """How good a pair of figures is: the larger the better.

        A share that is not reached costs twice what is missing, for a handful of pictures tell it badly.
        """
        if self.what == "balance":
            return min(max(context, 0.0), 1.0) * min(max(likeness, 0.0), 1.0)
        held, other = (likeness, context) if self.what == "likeness" else (context, likeness)
        return other - SEVERITY * max(0.0, self.share - held)

    def met(self, context: float, likeness: float) -> bool:
        """Whether a pair of figures grants the wish."""
        held = {"likeness": likeness, "context": context}.get(self.what, self.share)
        return held >= self.share

    def __str__(self) -> str:
        return self.what if self.what == "balance" else f"{self.what} {100 * self.share:g}%"
