"""LERP: the straight line between a vector and its anchor, in place of the arc.

    v' = (1−α) v + α c

Between vectors of one length it cuts the corner, so what comes out is shorter than both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..adjusters import Adjuster, Places, registered
from ..adjustment import ALPHA, check_settings

__all__ = ["Lerp"]


@registered
@dataclass(frozen=True)
class Lerp(Adjuster):
    """The straight line between a vector and its anchor.

    Args:
        alpha: 0 (stay) to 1 (the anchor).

    Raises: AdjustmentError, out of this range.
    """

    name: ClassVar[str] = "lerp"
    title: ClassVar[str] = "LERP"

    alpha: float = ALPHA

    def __post_init__(self) -> None:
        check_settings("Lerp()", self.alpha)

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        wide = torch.promote_types(row.dtype, torch.float32)
        return row.to(wide).lerp(anchor.to(row.device, wide), self.alpha).to(row.dtype)

    def shared(self, others: Sequence[Adjuster]) -> Adjuster:
        """The mean of the settings."""
        strangers = [other for other in others if not isinstance(other, Lerp)]
        if strangers:
            return super().shared(strangers)
        alphas = [self.alpha, *(other.alpha for other in others if isinstance(other, Lerp))]
        return Lerp(sum(alphas) / len(alphas))

    def weakened(self, factor: float) -> Lerp:
        """The same with α · factor."""
        return Lerp(self.alpha * factor)

    @property
    def label(self) -> str:
        return f"LERP α {self.alpha:g}"
