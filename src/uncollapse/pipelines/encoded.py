"""A prompt and its anchor twin, encoded: everything an adjustment needs but the settings.

    result    what the encode step returned for the prompt
    anchor    the same, with every concept's vectors replaced by their partners'
    roles     what each vector stands for
    owners    which concepts it follows
    may       which of its numbers may move, where not all may

so that settings and adjusters can be swept without encoding again. ``following`` makes it of the token ids
that the text encoders were given, ``resemblance`` of the results alone, where no ids can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..adjusters import Adjuster, Given, Places, Role
from ..concept import Concept
from .encode_step import tensors_in, walk
from .pairing import Owners

__all__ = ["Encoded", "bits_of"]


@dataclass(frozen=True)
class Encoded:
    """Both prompts, encoded and paired: trees of one build, such as lists and dictionaries of tensors.

    A vector is a place in all but a tensor's last axis.

    Args:
        result: what the encode method returned for the prompt.
        anchor: each vector's partner, from the anchor twin.
        roles: a ``Role`` for each vector, int8: NONE for what follows no concept.
        owners: for each vector the concepts that it follows, int64, as ``bits_of`` writes them: 0 for none.
        may: for each number whether it may move; None where all may.
    """

    result: Any
    anchor: Any
    roles: Any
    owners: Any
    may: Any = None

    def adjusted(self, concepts: Sequence[Concept]) -> Any:
        """A new tree like ``result``, each vector moved by its owners' adjuster, which sees the whole row.

        Raises: AdjustmentError, when concepts that share vectors have adjusters that cannot be mixed.
        """
        adjusters = [concept.adjuster for concept in concepts]

        def move(*tensors: Tensor) -> Tensor:
            moved = _moved(adjusters, *_rows(*tensors))
            return moved.reshape(tensors[0].shape)

        moved = walk(move, self.result, self.anchor, self.roles, self.owners)
        return moved if self.may is None else walk(torch.where, self.may, moved, self.result)

    def only(self, may: Any) -> Encoded:
        """The same, where only these numbers may move: a tree like ``result``, boolean."""
        owners = walk(lambda owners, may: owners * may.any(-1), self.owners, may)
        return replace(self, owners=owners, may=may)

    def examples(self) -> Iterator[Given]:
        """What an adjuster of the first concept is given, tensor by tensor, where any vector follows it."""
        trees = (self.result, self.anchor, self.roles, self.owners)
        for own, anchor, roles, owners in (
            _rows(*each) for each in zip(*map(tensors_in, trees), strict=True)
        ):
            if owners.any():
                yield own, anchor, Places(roles, owners & 1 == 1)

    @property
    def changes(self) -> bool:
        """Whether any vector follows a concept: none does when the placeholder was cut off."""
        return any(bool(owners.any()) for owners in tensors_in(self.owners))

    @property
    def requires_grad(self) -> bool:
        """Whether it hangs on a graph of autograd's."""
        return any(tensor.requires_grad for tensor in tensors_in((self.result, self.anchor)))

    @property
    def nbytes(self) -> int:
        """Memory held."""
        held = tensors_in((self.result, self.anchor, self.roles, self.owners, self.may))
        return sum(tensor.nbytes for tensor in {id(tensor): tensor for tensor in held}.values())


def bits_of(owners: Owners) -> int:
    """Concepts as one number, a bit for each.

    >>> bits_of((0,)), bits_of((0, 2))
    (1, 5)
    """
    return sum(1 << number for number in owners)


def _rows(own: Tensor, anchor: Tensor, roles: Tensor, owners: Tensor) -> tuple[Tensor, ...]:
    """The four as rows of tokens, ``[..., tokens, dim]`` and ``[..., tokens]``."""
    if not _stand_alone(own, roles):
        return own, anchor, roles, owners
    return own.unsqueeze(-2), anchor.unsqueeze(-2), roles.unsqueeze(-1), owners.unsqueeze(-1)


def _stand_alone(own: Tensor, roles: Tensor) -> bool:
    """Whether a tensor's vectors are one for each prompt: a matrix without words in it, ``[rows, dim]``.

    One that holds words is one prompt's, ``[tokens, dim]``.
    """
    words = (roles == Role.CONCEPT) | (roles == Role.CONTEXT)
    return own.ndim == 1 or (own.ndim == 2 and not bool(words.any()))


def _moved(
    adjusters: Sequence[Adjuster], own: Tensor, anchor: Tensor, roles: Tensor, owners: Tensor
) -> Tensor:
    moved = own.clone()
    for bits in sorted(set(owners.flatten().tolist()) - {0}):
        mine = owners == bits
        adjusted = _shared(adjusters, bits).adjust(own, anchor, Places(roles, mine))
        moved = torch.where(mine.unsqueeze(-1), adjusted, moved)
    return moved


def _shared(adjusters: Sequence[Adjuster], bits: int) -> Adjuster:
    """The adjuster of vectors that follow all these concepts."""
    first, *others = (adjuster for number, adjuster in enumerate(adjusters) if bits >> number & 1)
    return first.shared(others) if others else first
