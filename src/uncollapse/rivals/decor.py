"""DECOR: the prompt's encoding without what it has along undesired directions.

    X' = X − α X P        P = Ṽ Ṽᵀ

with X the prompt's vectors as rows, ``[tokens, dim]``, and Ṽ an orthonormal basis, as columns, of the
undesired directions. Source: arXiv:2412.09169.

Our reading of it, where it leaves room: the undesired directions are what the concept's own tokens hold in
this very prompt beyond their anchors, v_i − c_i; all of them count, whatever their size; X is every vector of
the prompt, the concept's own among them. ``alpha`` by role narrows that, as ``0/1/1`` spares the concept's
own. A pooled vector has no tokens to take directions from, and stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..adjusters import Adjuster, ByRole, Places, Role, registered
from ..adjustment import check_settings
from .projection import along, basis_of

__all__ = ["Decor"]


@registered
@dataclass(frozen=True)
class Decor(Adjuster):
    """Every vector of the prompt, less its part along the concept's own directions, at prompt level.

    Two concepts in one prompt must have the same settings; the directions of both are then taken out.

    Args:
        alpha: how much of that part, 0 to 1: one for all vectors, or one for each role.

    Raises: AdjustmentError, out of this range.
    Source: arXiv:2412.09169; that the directions are v − c is our reading.
    """

    name: ClassVar[str] = "decor"
    title: ClassVar[str] = "DECOR"
    levels = frozenset({"prompt"})

    alpha: float | ByRole = 1.0

    def __post_init__(self) -> None:
        check_settings("Decor()", self.alpha)

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        wide = torch.promote_types(row.dtype, torch.float32)
        X, C = row.to(wide), anchor.to(row.device, wide)
        undesired = torch.where((places.role == Role.CONCEPT).unsqueeze(-1), X - C, 0)
        return (X - ByRole.at(self.alpha, places) * along(X, basis_of(undesired))).to(row.dtype)

    def weakened(self, factor: float) -> Decor:
        """The same with α · factor."""
        alpha = self.alpha
        return replace(self, alpha=alpha.times(factor) if isinstance(alpha, ByRole) else alpha * factor)

    @property
    def label(self) -> str:
        return f"DECOR α {self.alpha:g}"
