"""Lengths, angles and great circles against the same formulas in float64, and against exact values."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from uncollapse.errors import EmbeddingError
from uncollapse.geometry import angle, norm, slerp, turn, unit

HALVES = [torch.float16, torch.bfloat16]
DTYPES = [*HALVES, torch.float32, torch.float64]
seeds = st.integers(0, 2**31)
fractions = st.floats(0, 1)


def pair_at(theta: float, dim: int = 16, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two float64 unit vectors at an angle, in a random plane."""
    basis, _ = torch.linalg.qr(
        torch.randn(dim, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    )
    u, side = basis.unbind(-1)
    return u, math.cos(theta) * u + math.sin(theta) * side


def slerp64(a, b, t):
    """The formula, word for word, in float64."""
    a, b = a.double(), b.double()
    theta = torch.acos(torch.dot(a, b) / (a.norm() * b.norm()))
    return torch.sin((1 - t) * theta) / torch.sin(theta) * a + torch.sin(t * theta) / torch.sin(theta) * b


@pytest.mark.parametrize("dtype", DTYPES)
def test_norm_neither_overflows_nor_vanishes(dtype):
    limits = torch.finfo(dtype)
    for size in (limits.max, limits.tiny, 1.0, 0.0):
        vector = torch.full((9,), size, dtype=dtype)
        length = norm(vector)
        assert length.dtype == torch.promote_types(dtype, torch.float32)
        expected = 3 * vector[0].double()
        if expected < torch.finfo(length.dtype).max:
            torch.testing.assert_close(length.double(), expected, rtol=1e-6, atol=0)


def test_norm_of_integers_is_refused():
    with pytest.raises(EmbeddingError, match=r"torch.int64.*\.float\(\)"):
        norm(torch.ones(3, dtype=torch.long))


def test_unit_leaves_zero_vectors_zero():
    vectors = torch.tensor([[0.0, 0.0], [3e38, 0.0], [0.0, 1e-38]])
    assert unit(vectors).tolist() == [[0, 0], [1, 0], [0, 1]]


@pytest.mark.parametrize("theta", [0.0, 1e-7, 1e-4, 0.3, math.pi / 2, 3.0, math.pi - 1e-4, math.pi])
def test_angle_is_accurate_from_0_to_pi(theta):
    u, w = pair_at(theta)
    assert angle(u, w).item() == pytest.approx(theta, rel=1e-9, abs=1e-15)
    assert angle(3 * u.float(), 0.1 * w.float()).item() == pytest.approx(theta, rel=1e-3, abs=3e-7)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("cosine", [0.99, 0.999, 0.9999])
def test_angle_of_half_precision_vectors_is_that_of_their_values(dtype, cosine):
    u, w = (vector.to(dtype) for vector in pair_at(math.acos(cosine), dim=768))
    exact = angle(u.double(), w.double())
    assert angle(u, w).item() == pytest.approx(exact.item(), rel=1e-5)


@given(seed=seeds, theta=st.floats(0.01, 3.0), t=fractions, size=st.floats(1e-3, 1e3))
def test_slerp_follows_the_formula(seed, theta, t, size):
    a, b = (size * vector for vector in pair_at(theta, seed=seed))
    torch.testing.assert_close(slerp(a, b, t), slerp64(a, b, t), rtol=1e-9, atol=1e-10 * size)
    torch.testing.assert_close(
        slerp(a.float(), b.float(), t).double(), slerp64(a, b, t), rtol=0, atol=2e-5 * size
    )


@given(seed=seeds, theta=st.floats(1e-3, 3.1), t=fractions)
def test_slerp_covers_the_share_of_the_angle_and_keeps_the_norm(seed, theta, t):
    a, b = pair_at(theta, seed=seed)
    moved = slerp(a, b, t)
    assert angle(a, moved).item() == pytest.approx(t * theta, abs=1e-12)
    assert norm(moved).item() == pytest.approx(1, abs=1e-12)


@given(theta=st.floats(0, 0.04), t=fractions)
def test_slerp_is_smooth_across_the_threshold_of_its_series(theta, t):
    for dtype, tolerance in ((torch.float32, 1e-7), (torch.float64, 1e-15)):
        a, b = (vector.to(dtype) for vector in pair_at(theta))
        exact = math.cos(t * theta) * pair_at(0.0)[0] + math.sin(t * theta) * pair_at(math.pi / 2)[1]
        torch.testing.assert_close(slerp(a, b, t).double(), exact, rtol=0, atol=3 * tolerance)


def test_slerp_ends_where_it_should_and_takes_a_fraction_per_vector():
    a, b = (vector.expand(3, -1) for vector in pair_at(1.0))
    moved = slerp(a, b, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(angle(a, moved), torch.tensor([0.0, 0.5, 1.0]).double(), rtol=0, atol=1e-12)


def test_slerp_refuses_what_has_no_great_circle():
    a = torch.randn(4, 8)
    with pytest.raises(EmbeddingError, match="opposite"):
        slerp(a, -2 * a, 0.5)
    with pytest.raises(EmbeddingError, match="length zero"):
        slerp(a, torch.zeros(4, 8), 0.5)
    with pytest.raises(EmbeddingError, match="length zero"):
        angle(torch.zeros(8), a[0])


@given(seed=seeds, t=fractions)
def test_turn_goes_round_by_a_fixed_plane_between_opposite_vectors(seed, t):
    a = torch.randn(5, 8, generator=torch.Generator().manual_seed(seed))
    moved = turn(a, -3 * a, t)
    torch.testing.assert_close(norm(moved), torch.ones(5))
    torch.testing.assert_close(angle(a, moved), torch.full((5,), t * math.pi), rtol=0, atol=1e-5)
    assert torch.equal(moved, turn(a, -3 * a, t))
    # The plane: nothing but the vector itself and the axis along which it is smallest.
    residue = moved - (moved * unit(a)).sum(-1, keepdim=True) * unit(a)
    axis = torch.nn.functional.one_hot(a.abs().argmin(-1), 8).float()
    side = unit(axis - (axis * unit(a)).sum(-1, keepdim=True) * unit(a))
    torch.testing.assert_close(residue, math.sin(t * math.pi) * side, rtol=0, atol=1e-5)


@pytest.mark.parametrize("theta", [0.0, 1e-6, 1e-3, 1.0, math.pi - 1e-3, math.pi])
def test_gradients_are_finite_everywhere(theta):
    a, b = (vector.float().requires_grad_() for vector in pair_at(theta))
    turn(a, b, 0.3).sum().backward()
    assert a.grad.isfinite().all()
    assert b.grad.isfinite().all()


def test_gradient_is_that_of_the_formula():
    a, b = (vector.requires_grad_() for vector in pair_at(0.7))
    assert torch.autograd.gradcheck(lambda x, y: slerp(x, y, 0.3), (a, b))
    assert torch.autograd.gradcheck(lambda x, y: turn(x, 3 * y, 0.3), (a, b))
