"""Adjusters that look at more than one vector: what the seam has to carry besides the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import normalize

from uncollapse.adjusters import Adjuster, Places, Role


@dataclass(frozen=True)
class Watching(Adjuster):
    """Changes nothing and notes what it is given."""

    seen: list[tuple[Tensor, Tensor, Places]] = field(default_factory=list, compare=False)

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        self.seen.append((row, anchor, places))
        return row

    def shared(self, others: Sequence[Adjuster]) -> Adjuster:
        return self


@dataclass(frozen=True)
class Projection(Adjuster):
    """Takes out of each context word what points from the anchor to the row's concepts."""

    title = "Projection"
    levels = frozenset({"prompt"})

    strength: float = 1.0

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        concept = (places.role == Role.CONCEPT).unsqueeze(-1)
        direction = normalize(((row - anchor) * concept).sum(-2, keepdim=True), dim=-1)
        projected = row - self.strength * (row * direction).sum(-1, keepdim=True) * direction
        return torch.where((places.role == Role.CONTEXT).unsqueeze(-1), projected, row)


@dataclass(frozen=True)
class Weighting(Adjuster):
    """Makes a concept's own tokens longer; the words that it shares stay as they are."""

    weight: float = 2.0

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        return row * torch.where(places.role == Role.CONCEPT, self.weight, 1.0).unsqueeze(-1)

    def shared(self, others: Sequence[Adjuster]) -> Adjuster:
        return self

    def weakened(self, factor: float) -> Adjuster:
        return Weighting(1 + (self.weight - 1) * factor)
