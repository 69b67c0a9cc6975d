"""Rescaling: learned rows made as long as the vocabulary's, their directions as learned.

    v' = m · v/|v|        m the least, the mean or the greatest norm in the token table

Source: Directional Textual Inversion, arXiv:2512.13672, which names it as what can be done to a finished
embedding. Learned tokens, special ones and zero rows do not count among the vocabulary's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..adjusters import Adjuster, Given, Places, registered
from ..errors import AdjustmentError
from ..geometry import norm, unit

__all__ = ["Rescale"]

TO = ("min", "mean", "max")


@registered
@dataclass(frozen=True)
class Rescale(Adjuster):
    """Learned rows at a norm of the vocabulary's, at token level.

    Args:
        to: which: "min", "mean" or "max".

    Raises: AdjustmentError, for any other.
    """

    name: ClassVar[str] = "rescale"
    title: ClassVar[str] = "Rescaling"
    levels = frozenset({"token"})

    to: str = "mean"

    def __post_init__(self) -> None:
        if self.to not in TO:
            raise AdjustmentError(f"Rescale(): to={self.to!r} is none of {', '.join(TO)}.")

    def fitted(self, examples: Iterable[Given]) -> Adjuster:
        lengths = torch.cat([norm(row).flatten() for row, _, _ in examples])
        lengths = lengths[lengths > 0]
        return _To(float({"min": lengths.min(), "mean": lengths.mean(), "max": lengths.max()}[self.to]))

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        raise AdjustmentError(
            "Rescale().adjust(): it does not know the vocabulary yet. Use apply(), which fits it."
        )

    @property
    def label(self) -> str:
        return f"Norm at the vocabulary's {self.to}"


@dataclass(frozen=True)
class _To(Adjuster):
    """Every vector at this length."""

    length: float

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        return (self.length * unit(row)).to(row.dtype)
