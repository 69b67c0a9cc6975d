"""Drift subspace: a prompt without that part of its drift which the concept has in every prompt.

    d_i = v_i − c_i                 the drift of a vector from its anchor's
    B                               the ``rank`` directions that hold most of all d_i over many contexts
    v' = v − α B Bᵀ (v − c)

So what drifts everywhere is taken back, and what this one prompt drifts by itself stays; of full rank it is
the straight line to the anchor. B is found by a singular value decomposition of the drift of the words of
sixteen sentences, each word once, and of the mean of what no word stands for (EOS, padding), once a sentence.
Vectors of one width share a basis.

The idea that a concept's drift lives in few directions is AdaptSP's, arXiv:2605.07257, whose formula is not
public; this one is ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..adjusters import Adjuster, ByRole, Given, Places, Role, registered
from ..adjustment import check_settings
from ..errors import AdjustmentError
from .projection import along, basis_of

__all__ = ["Subspace"]


@registered
@dataclass(frozen=True)
class Subspace(Adjuster):
    """A share of the drift taken back, in the directions in which the concept drifts everywhere.

    At prompt level. ``apply`` fits it when the first prompt is encoded, which encodes sixteen more.

    Args:
        rank: how many directions, 1 or more.
        alpha: how much of the drift, 0 to 1: one for all vectors, or one for each role.

    Raises: AdjustmentError, out of range, and where it is used unfitted.
    """

    name: ClassVar[str] = "subspace"
    title: ClassVar[str] = "Drift subspace"
    levels = frozenset({"prompt"})
    contexts: ClassVar[Sequence[str]] = (
        "a photo of {}",
        "{} in the snow",
        "{} on a beach at sunset",
        "a painting of {}",
        "{} in a city street at night",
        "{} sitting on a red sofa",
        "a photo of {} next to a car",
        "{} under water",
        "a pencil drawing of {}",
        "{} in the forest, in autumn",
        "{} wearing a hat",
        "{} in front of a mountain lake",
        "an old black and white picture of {}",
        "a child and {} in the garden",
        "{} on the moon",
        "a close look at {} in the kitchen",
    )

    rank: int = 8
    alpha: float | ByRole = 1.0

    def __post_init__(self) -> None:
        check_settings("Subspace()", self.alpha)
        if self.rank < 1:
            raise AdjustmentError(f"Subspace(): rank={self.rank} is out of range; it must be 1 or more.")

    def fitted(self, examples: Iterable[Given]) -> Adjuster:
        by_width: dict[int, list[Tensor]] = defaultdict(list)
        for given in examples:
            by_width[given[0].shape[-1]].append(_drift(*given))
        return _Fitted(
            self.alpha, {dim: basis_of(torch.cat(rows))[: self.rank] for dim, rows in by_width.items()}
        )

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        raise AdjustmentError(
            "Subspace().adjust(): it does not know the concept's drift yet. Use apply(), which fits it."
        )

    def weakened(self, factor: float) -> Adjuster:
        """The same with α · factor."""
        return replace(self, alpha=_times(self.alpha, factor))

    @property
    def label(self) -> str:
        return f"Drift subspace {self.rank} α {self.alpha:g}"


@dataclass(frozen=True, eq=False)
class _Fitted(Adjuster):
    """With a basis for each width of vectors, ``[rank, dim]``."""

    title: ClassVar[str] = Subspace.title

    alpha: float | ByRole
    bases: Mapping[int, Tensor] = field(repr=False)

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        basis = self.bases[row.shape[-1]].to(row.device)
        v, c = row.to(basis.dtype), anchor.to(row.device, basis.dtype)
        return (v - ByRole.at(self.alpha, places) * along(v - c, basis)).to(row.dtype)

    def shared(self, others: Sequence[Adjuster]) -> Adjuster:
        """The directions of all, at the one α that they must have."""
        fitted = [each for each in others if isinstance(each, _Fitted) and each.alpha == self.alpha]
        if len(fitted) < len(others):
            return super().shared([each for each in others if each not in fitted])
        bases = {
            dim: basis_of(torch.cat([own, *(each.bases[dim] for each in fitted)]))
            for dim, own in self.bases.items()
        }
        return _Fitted(self.alpha, bases)

    def weakened(self, factor: float) -> Adjuster:
        return replace(self, alpha=_times(self.alpha, factor))


def _drift(row: Tensor, anchor: Tensor, places: Places) -> Tensor:
    """The drift of each word of a row, and the mean drift of the rest of it, ``[words + 1, dim]``."""
    wide = torch.promote_types(row.dtype, torch.float32)
    drift = row.to(wide) - anchor.to(row.device, wide)
    words = places.mine & ((places.role == Role.CONCEPT) | (places.role == Role.CONTEXT))
    rest = (places.mine & (places.role == Role.REST)).unsqueeze(-1)
    means = (drift * rest).sum(-2) / rest.sum(-2).clamp(min=1)
    return torch.cat([drift[words], means.reshape(-1, means.shape[-1])])


def _times(alpha: float | ByRole, factor: float) -> float | ByRole:
    return alpha.times(factor) if isinstance(alpha, ByRole) else alpha * factor
