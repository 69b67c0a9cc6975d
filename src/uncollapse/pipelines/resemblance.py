"""Pairs the vectors of two results by what they look like, where no token ids can be seen.

Some pipelines read their encoders' insides, past anything that could be replayed. What is left is the
prompt's result beside the twin's. Which word a vector stands for cannot be told from it: every role is REST.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..adjusters import Role
from ..alignment import align
from ..concept import Concept
from .encode_step import walk
from .encoded import Encoded, bits_of

__all__ = ["by_resemblance"]


def by_resemblance(result: Any, anchor: Any, reference: Any, concepts: Sequence[Concept]) -> Encoded:
    """Pair the vectors of two results, and let all of them follow every concept.

    Rows that differ between ``result`` and ``reference`` are the prompt's. Their vectors are paired in order
    with those of the twin by ``alignment.align`` on the cosines of the two, each less its row's mean.

    Args:
        result: of the prompt.
        anchor: of the twin, by the encoder that anchors come from.
        reference: of the twin, by the prompt's own encoder.
    """
    everyone = bits_of(tuple(range(len(concepts))))
    differ = walk(_rows_that_differ, result, reference)
    roles = walk(lambda differs: differs.to(torch.int8) * int(Role.REST), differ)
    owners = walk(lambda differs: differs.to(torch.int64) * everyone, differ)
    return Encoded(result, walk(_aligned, result, anchor, differ), roles, owners)


def _rows_that_differ(own: Tensor, other: Tensor) -> Tensor:
    share = torch.zeros(own.shape[:-1], dtype=torch.bool, device=own.device)
    if not own.is_floating_point() or own.ndim < 2 or own.shape[-1] != other.shape[-1] or _is_mask(own):
        return share
    if own.ndim == 2 and own.shape != other.shape:  # one row's tokens
        share[:] = True
    elif own.ndim == 2 or own.shape[:-2] == other.shape[:-2]:
        length = min(own.shape[-2], other.shape[-2]) if own.ndim > 2 else len(own)
        one, two = own[..., :length, :].float(), other[..., :length, :].float()
        noise = 8 * torch.finfo(own.dtype).eps * one.abs().amax(-1)
        differs = (one - two).abs().amax(-1) > noise
        share[:] = differs if own.ndim == 2 else differs.any(-1, keepdim=True)
    return share


def _is_mask(tensor: Tensor) -> bool:
    return tensor.ndim == 2 and bool(((tensor == 0) | (tensor == 1)).all())


def _aligned(own: Tensor, anchor: Tensor, share: Tensor) -> Tensor:
    """The anchor's vectors in the prompt's places."""
    if not share.any():
        return own
    if own.ndim == 2 and own.shape == anchor.shape:
        return anchor
    count, dim = own.shape[-2:]
    theirs = anchor.expand(*own.shape[:-2], *anchor.shape[-2:]).reshape(-1, *anchor.shape[-2:])
    rows = zip(own.reshape(-1, count, dim), theirs, share.reshape(-1, count), strict=True)
    aligned = [two[align(_cosines(one, two))] if shared.any() else one for one, two, shared in rows]
    return torch.stack(aligned).reshape(own.shape)


def _cosines(one: Tensor, two: Tensor) -> Tensor:
    one, two = (normalize(x.float() - x.float().mean(0), dim=-1) for x in (one, two))
    return one @ two.T
