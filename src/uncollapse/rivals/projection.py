"""Orthonormal bases of a few directions, for rivals that take out what a prompt has along them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["along", "basis_of"]


def basis_of(directions: Tensor) -> Tensor:
    """An orthonormal basis of the rows' span, the direction that holds most of them first.

    Args:
        directions: ``[..., vectors, dim]``, float32 or wider; zero rows count for nothing.

    Returns: ``[..., min(vectors, dim), dim]``, zero rows in the places of what the span lacks.
    """
    _, sizes, basis = torch.linalg.svd(directions, full_matrices=False)
    least = max(directions.shape[-2:]) * torch.finfo(directions.dtype).eps * sizes.amax(-1, keepdim=True)
    return torch.where((sizes > least).unsqueeze(-1), basis, 0)


def along(vectors: Tensor, basis: Tensor) -> Tensor:
    """The part of each vector that lies in a basis' span, ``x Ṽᵀ Ṽ`` for rows x and the basis Ṽ."""
    return (vectors @ basis.mT) @ basis
