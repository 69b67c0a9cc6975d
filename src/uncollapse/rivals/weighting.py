"""Prompt weighting of the concept: its own tokens turned down by a number w, as user interfaces do it.

    weight     z' = w z                               A1111's emphasis "No norm"
    a1111      z' = w z · mean(z) / mean(w z)         A1111's emphasis "Original": the mean of all numbers of
                                                      the prompt's encoding is then what it was
    comfyui    z' = z₀ + w (z − z₀)                   ComfyUI: z₀ is the empty prompt, token by token

w holds for the concept's own tokens and is 1 for all others; the mean is over all tokens. A pooled vector has
no tokens, so none of them changes it. Compel is not among these: its weight below 1 encodes the prompt once
more without the words, which only Compel itself does (``comparison.by_compel``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from ..adjusters import Adjuster, Beside, Places, Role, registered
from ..errors import AdjustmentError

__all__ = ["A1111", "ComfyUI", "Weight"]

W = TypeVar("W", bound="Weight")


@registered
@dataclass(frozen=True)
class Weight(Adjuster):
    """The concept's own vectors times a number, at prompt level; every other vector stays.

    Source: A1111's emphasis mode "No norm".

    Args:
        times: below 1 for less of the concept; finite.

    Raises: AdjustmentError, for what is not finite.
    """

    name: ClassVar[str] = "weight"
    title: ClassVar[str] = "Weight"

    times: float = 0.8

    def __post_init__(self) -> None:
        if not math.isfinite(self.times):
            raise AdjustmentError(
                f"{type(self).__name__}(): times={self.times} is no number to multiply by. Give one, "
                "such as 0.8."
            )

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        return torch.where(_own(places), row * self.times, row)

    def shared(self, others: Sequence[Adjuster]) -> Adjuster:
        """What concepts share are no words of their own, so nothing is weighed there."""
        return self

    def weakened(self: W, factor: float) -> W:
        """The same with the distance from 1 times ``factor``."""
        return replace(self, times=1 + (self.times - 1) * factor)

    @property
    def label(self) -> str:
        return f"{self.title} {self.times:g}"


@registered
@dataclass(frozen=True)
class A1111(Weight):
    """The concept's own vectors times a number, then all of the prompt's, so that their mean is as before.

    Two concepts in one prompt must have the same number.

    Source: A1111's emphasis mode "Original". There each text encoder's encoding has a mean of its own; here
    it is that of what the denoiser is given, in which encoders may stand side by side.

    Args:
        times: below 1 for less of the concept; finite.

    Raises: AdjustmentError, for what is not finite.
    """

    name: ClassVar[str] = "a1111"
    title: ClassVar[str] = "A1111 weight"
    levels = frozenset({"prompt"})

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        z = row.to(torch.promote_types(row.dtype, torch.float32))
        weighed = torch.where(_own(places), z * self.times, z)
        before, after = (x.mean((-2, -1), keepdim=True) for x in (z, weighed))
        return (weighed * torch.where(after == 0, 1, before / after)).to(row.dtype)

    def shared(self, others: Sequence[Adjuster]) -> Adjuster:
        return Adjuster.shared(self, others)


@registered
@dataclass(frozen=True)
class ComfyUI(Weight):
    """The concept's own vectors moved away from, or toward, the empty prompt's in the same places.

    Source: ComfyUI's weighting of CLIP's tokens.

    Args:
        times: 1 leaves them, 0 gives the empty prompt's; finite.

    Raises: AdjustmentError, for what is not finite.
    """

    name: ClassVar[str] = "comfyui"
    title: ClassVar[str] = "ComfyUI weight"
    levels = frozenset({"prompt"})
    beside: ClassVar[Beside] = Beside.EMPTY

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        wide = torch.promote_types(row.dtype, torch.float32)
        z, empty = row.to(wide), anchor.to(row.device, wide)
        return torch.where(_own(places), empty + self.times * (z - empty), z).to(row.dtype)


def _own(places: Places) -> Tensor:
    return (places.role == Role.CONCEPT).unsqueeze(-1)
