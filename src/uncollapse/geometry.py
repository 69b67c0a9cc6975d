"""Lengths, angles and great circles: tensors in, tensors out, nothing about prompts.

It stands alone because the usual code for these four lines is wrong in half precision. Here

- everything is computed in float32 (float64 stays float64) and cast back at the end;
- lengths are taken after dividing by the largest component, so nothing overflows or vanishes;
- the angle comes from the two chords of the unit vectors, θ = 2·atan2(|u−w|, |u+w|), which is accurate
  at 0 and at π, where acos(u·w) loses half its digits;
- sin(tθ)/sin θ is replaced by the first terms of its series near θ = 0, so gradients stay finite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .errors import EmbeddingError

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["angle", "norm", "slerp", "turn", "unit"]


def norm(vectors: Tensor) -> Tensor:
    """Length of each vector.

        |x| = m · |x/m|,   m = max_i |x_i|

    Args:
        vectors: ``[..., dim]``, any floating-point dtype.

    Returns: ``[...]``, float32 or wider, so that a float16 vector longer than 65504 has a length.
    Raises: EmbeddingError, when ``vectors`` is not floating point.
    """
    scaled, largest = _scaled(_wide(vectors))
    return (largest * _length(scaled)).squeeze(-1)


def unit(vectors: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
    """Direction of each vector; a zero vector stays zero.

    Returns: ``[..., dim]`` of length 1, float32 or wider.
    """
    scaled, _ = _scaled(_wide(vectors))
    length = _length(scaled)
    return scaled / torch.where(length == 0, 1, length)


def angle(first: Float[Tensor, "*#batch dim"], second: Float[Tensor, "*#batch dim"]) -> Tensor:
    """Angle between vectors, in radians from 0 to π.

        θ = 2 · atan2(|u − w|, |u + w|),   u, w the unit vectors

    Args:
        first: ``[..., dim]``.
        second: ``[..., dim]``, broadcast against ``first``.

    Returns: ``[...]``, float32 or wider.
    Raises: EmbeddingError, when a vector has length zero and so no direction.
    Source: W. Kahan, "How Futile are Mindless Assessments of Roundoff…", 2006, section 12.

    >>> angle(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]))
    tensor(1.5708)
    """
    u, w = unit(first), unit(second)
    _refuse_zero("angle()", u, w)
    return _angle_of_units(u, w).squeeze(-1)


def slerp(
    start: Float[Tensor, "*#batch dim"], end: Float[Tensor, "*#batch dim"], t: float | Tensor
) -> Float[Tensor, "... dim"]:
    """Rotate ``start`` toward ``end`` along the great circle joining them.

        slerp(a, b, t) = sin((1−t)θ)/sin θ · a  +  sin(tθ)/sin θ · b,   θ = angle(a, b)

    Args:
        start: embeddings to move, ``[..., dim]``.
        end: where they move to; same shape, same norm.
        t: fraction of the angle, unitless, a number or ``[...]``; 0 returns ``start``, 1 returns ``end``.

    Returns: ``[..., dim]``, in the dtype and on the device of ``start``.
    Raises: EmbeddingError, for opposite vectors (every great circle joins them) or zero ones.
    Source: arXiv:2506.22685, section 4.

    >>> slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.5)
    tensor([0.7071, 0.7071])
    """
    end = end.to(start.device)
    u, w = unit(start), unit(end)
    _refuse_zero("slerp()", u, w)
    if _opposite(u, w).any():
        raise EmbeddingError(
            "slerp(): start and end point in opposite directions, and infinitely many great circles join "
            "them. Go through a third vector, or use adjust(), which chooses one circle and says which."
        )
    theta, t = _angle_of_units(u, w), _fraction(t, u)
    moved = _arc(1 - t, theta) * _wide(start) + _arc(t, theta) * _wide(end)
    return moved.to(start.dtype)


def turn(
    start: Float[Tensor, "*#batch dim"], end: Float[Tensor, "*#batch dim"], t: float | Tensor
) -> Float[Tensor, "... dim"]:
    """The direction of ``slerp``, defined for every pair of non-zero vectors, whatever their lengths.

    Opposite vectors are joined by infinitely many great circles. This takes the one through the
    coordinate axis along which ``start`` is smallest (the first such axis): fixed, repeatable, and as
    far from ``start`` as an axis can be.

    Returns: unit vectors ``[..., dim]``, float32 or wider.
    """
    u, w = unit(start), unit(end)
    theta, t = _angle_of_units(u, w), _fraction(t, u)
    opposite = _opposite(u, w)
    theta = torch.where(opposite, 1, theta)
    along = _arc(1 - t, theta) * u + _arc(t, theta) * w
    around = torch.cos(t * torch.pi) * u + torch.sin(t * torch.pi) * _perpendicular(u)
    return unit(torch.where(opposite, around, along))


def _arc(t: Tensor, theta: Tensor) -> Tensor:
    """sin(tθ)/sin θ, by its series t·(1 + (1−t²)θ²/6 + …) where the next term is below rounding."""
    small = theta < torch.finfo(theta.dtype).eps ** 0.25
    safe = torch.where(small, 1, theta)
    return torch.where(small, t * (1 + (1 - t**2) * theta**2 / 6), torch.sin(t * safe) / torch.sin(safe))


def _angle_of_units(u: Tensor, w: Tensor) -> Tensor:
    return 2 * torch.atan2(_length(u - w), _length(u + w))


def _opposite(u: Tensor, w: Tensor) -> Tensor:
    """Where u + w is nothing but rounding, so that it cannot tell which way round to go."""
    return _length(u + w) < 64 * torch.finfo(u.dtype).eps


def _perpendicular(u: Tensor) -> Tensor:
    """A unit vector at right angles to u, in the plane of u and its smallest axis."""
    axis = torch.zeros_like(u).scatter(-1, u.detach().abs().argmin(-1, keepdim=True), 1)
    return unit(axis - (axis * u).sum(-1, keepdim=True) * u)


def _length(x: Tensor) -> Tensor:
    """``[..., 1]``, of vectors that neither overflow nor vanish."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return length


def _refuse_zero(caller: str, u: Tensor, w: Tensor) -> None:
    if not (u.any(-1).all() and w.any(-1).all()):
        raise EmbeddingError(
            f"{caller}: a vector has length zero, so it points nowhere and has no angle to another. Leave "
            "zero vectors out (padding is often zero), or use adjust(), which leaves them alone."
        )


def _scaled(x: Tensor) -> tuple[Tensor, Tensor]:
    """x divided by its largest component, and that component (1 for a zero vector)."""
    largest = x.detach().abs().amax(-1, keepdim=True)
    largest = torch.where(largest == 0, 1, largest)
    return x / largest, largest


def _wide(x: Tensor) -> Tensor:
    if not x.is_floating_point():
        raise EmbeddingError(
            f"embeddings must be floating point, but these are {x.dtype}. Call .float() first."
        )
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _fraction(t: float | Tensor, like: Tensor) -> Tensor:
    """t as ``[..., 1]``, ready to multiply vectors."""
    return torch.as_tensor(t, dtype=like.dtype, device=like.device).unsqueeze(-1)
