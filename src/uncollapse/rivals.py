"""Other ways to change the same vectors, to be drawn beside the method.

    lerp      v' = (1−α) v + α c: the straight line in place of the arc, norms included
    weight    v' = w v for the concept's own tokens: prompt weighting as A1111 does it with "No norm"

Each is an adjuster under a name, so commands take it as ``--arm`` and ``apply`` as ``adjuster=``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .adjusters import Adjuster, Places, Role, registered
from .adjustment import ALPHA
from .errors import AdjustmentError

__all__ = ["Lerp", "Weight"]


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
        if not 0 <= self.alpha <= 1:
            raise AdjustmentError(f"Lerp(): alpha={self.alpha} is out of range; it must be between 0 and 1.")

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


@registered
@dataclass(frozen=True)
class Weight(Adjuster):
    """The concept's own vectors times a number, at prompt level; every other vector stays.

    Source: A1111's emphasis mode "No norm"; its usual mode restores the mean of the whole prompt afterwards,
    ComfyUI weighs the difference to the empty prompt, Compel mixes in a prompt without the words.

    Args:
        times: below 1 for less of the concept; finite.

    Raises: AdjustmentError, for what is not finite.
    """

    name: ClassVar[str] = "weight"
    title: ClassVar[str] = "Weight"

    times: float = 0.8

    def __post_init__(self) -> None:
        if not math.isfinite(self.times):
            raise AdjustmentError(f"Weight(): times={self.times} is no number to multiply by.")

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        own = (places.role == Role.CONCEPT).unsqueeze(-1)
        return torch.where(own, row * self.times, row)

    def shared(self, others: Sequence[Adjuster]) -> Adjuster:
        """What concepts share are no words of their own, so nothing is weighed there."""
        return self

    def weakened(self, factor: float) -> Weight:
        """The same with the distance from 1 times ``factor``."""
        return Weight(1 + (self.times - 1) * factor)

    @property
    def label(self) -> str:
        return f"Weight {self.times:g}"
