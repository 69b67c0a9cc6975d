"""adjust() against the paper's formula in float64, and the cases where the usual code breaks."""

import importlib.util
import math
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from toys.registries import as_it_was
from uncollapse import Adjustment, adjust, angle, norm
from uncollapse.adjusters import ADJUSTERS
from uncollapse.errors import AdjustmentError, EmbeddingError

seeds = st.integers(0, 2**31)
fractions = st.floats(0, 1)
betas = st.floats(0.05, 20)


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def paper(v, c, alpha, length):
    """arXiv:2506.22685, section 4, in float64: ṽ and c̃ at the wanted length, then slerp."""
    v, c = v.double(), c.double()
    v_, c_ = (length[..., None] * x / x.norm(dim=-1, keepdim=True) for x in (v, c))
    theta = torch.acos((v_ * c_).sum(-1, keepdim=True) / (v_.norm(dim=-1) * c_.norm(dim=-1))[..., None])
    return (
        torch.sin((1 - alpha) * theta) / torch.sin(theta) * v_
        + torch.sin(alpha * theta) / torch.sin(theta) * c_
    )


@given(seed=seeds, alpha=fractions, beta=betas)
def test_it_is_the_papers_formula(seed, alpha, beta):
    v, c = draw(2, 5, 16, seed=seed), draw(2, 5, 16, seed=seed + 1)
    expected = paper(v, c, alpha, beta * c.norm(dim=-1))
    torch.testing.assert_close(adjust(v, c, alpha, beta), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        adjust(v.float(), c.float(), alpha, beta).double(), expected, rtol=0, atol=1e-4 * max(1, beta)
    )


@given(seed=seeds, alpha=fractions, blend=fractions)
def test_norm_blend_is_the_released_codes_rule(seed, alpha, blend):
    v, c = draw(6, 16, seed=seed), draw(6, 16, seed=seed + 1)
    length = (1 - blend) * v.norm(dim=-1) + blend * c.norm(dim=-1)
    adjusted = adjust(v, c, alpha, beta=None, norm_blend=blend)
    torch.testing.assert_close(adjusted, paper(v, c, alpha, length), rtol=1e-9, atol=1e-9)
    # The conversion between the two: a beta of its own for every vector.
    beta = (1 - blend) * v.norm(dim=-1) / c.norm(dim=-1) + blend
    torch.testing.assert_close(adjusted, adjust(v, c, alpha, beta), rtol=1e-9, atol=1e-9)


@given(seed=seeds, alpha=fractions)
def test_without_a_rule_the_norm_stays(seed, alpha):
    v, c = draw(6, 16, seed=seed), draw(6, 16, seed=seed + 1)
    torch.testing.assert_close(norm(adjust(v, c, alpha, beta=None)), norm(v), rtol=1e-12, atol=0)


def test_the_defaults_are_the_papers():
    v, c = draw(4, 8), draw(4, 8, seed=1)
    assert (Adjustment().alpha, Adjustment().beta, Adjustment().norm_blend) == (0.2, 1.5, None)
    assert torch.equal(adjust(v, c), adjust(v, c, alpha=0.2, beta=1.5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("cosine", [0.99, 0.999, 0.9999])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1.1e3])
def test_half_precision_is_rounded_once(dtype, cosine, size):
    """Computed in the half type itself, the angle is off by up to 91% and long vectors become infinite."""
    u, side = torch.linalg.qr(draw(768, 2))[0].T
    v = (size * u).to(dtype)
    c = (size * (cosine * u + math.sqrt(1 - cosine**2) * side)).to(dtype)
    adjusted = adjust(v, c, 0.5, 1.0)
    assert adjusted.dtype == dtype
    expected = paper(v, c, 0.5, c.double().norm(dim=-1))
    rounding, smallest = (
        torch.finfo(dtype).eps / 2,
        torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps,
    )
    torch.testing.assert_close(
        adjusted.double(), expected, rtol=1.001 * rounding, atol=max(1e-6 * size, smallest)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_alpha_0_without_rescale_changes_no_bit(dtype):
    v, c = draw(3, 7, 16, dtype=dtype), draw(3, 7, 16, seed=1, dtype=dtype)
    for unchanged in (adjust(v, c, 0, beta=None), adjust(v, c, 0.0, beta=None, norm_blend=0.0)):
        assert torch.equal(unchanged, v)
        assert unchanged.dtype == dtype
    assert not torch.equal(adjust(v, c, 0, beta=1.5), v)


def test_alpha_1_beta_1_is_the_anchor():
    v, c = draw(5, 16, dtype=torch.float32), draw(5, 16, seed=1, dtype=torch.float32)
    torch.testing.assert_close(adjust(v, c, 1, 1.0), c, rtol=1e-6, atol=1e-6)


def test_zero_vectors_keep_the_prompts():
    v, c = draw(3, 8, dtype=torch.float32), draw(3, 8, seed=1, dtype=torch.float32)
    v[0], c[1] = 0, 0
    adjusted = adjust(v, c)
    assert torch.equal(adjusted[:2], v[:2])
    assert not torch.equal(adjusted[2], v[2])


def test_identical_vectors_stay_and_have_gradients():
    v = draw(3, 8, dtype=torch.float32).requires_grad_()
    c = v.detach().clone().requires_grad_()
    adjusted = adjust(v, c, 0.3, 1.0)
    torch.testing.assert_close(adjusted, v)
    adjusted.square().sum().backward()
    assert v.grad.isfinite().all()
    assert c.grad.isfinite().all()


def test_no_gradient_is_lost_to_zero_rows():
    v, c = draw(4, 8, dtype=torch.float32), draw(4, 8, seed=1, dtype=torch.float32)
    v[0], c[0], v[1], c[2] = 0, 0, 0, 0
    v.requires_grad_(), c.requires_grad_()
    adjust(v, c).sum().backward()
    assert torch.equal(v.grad[:3], torch.ones(3, 8))
    assert v.grad.isfinite().all()
    assert c.grad.isfinite().all()


def test_rows_left_out_by_the_mask_reach_no_gradient():
    v, c = draw(3, 8, dtype=torch.float32), draw(3, 8, seed=1, dtype=torch.float32)
    v[0], c[1] = math.nan, math.nan
    v.requires_grad_()
    alpha = torch.tensor(0.3, requires_grad=True)
    adjust(v, c, alpha, mask=torch.tensor([False, False, True]))[2].sum().backward()
    assert alpha.grad.isfinite()
    assert v.grad.isfinite().all()


@given(seed=seeds, alpha=fractions)
def test_opposite_vectors_are_never_silently_zero(seed, alpha):
    v = draw(4, 8, seed=seed, dtype=torch.float32)
    adjusted = adjust(v, -2 * v, alpha, beta=1.5)
    torch.testing.assert_close(norm(adjusted), 3 * norm(v), rtol=1e-5, atol=0)
    torch.testing.assert_close(angle(v, adjusted), torch.full((4,), alpha * math.pi), rtol=0, atol=1e-5)


def test_nothing_overflows_on_the_way():
    v, c = draw(4, 8, dtype=torch.float32) * 1e37, draw(4, 8, seed=1, dtype=torch.float32) * 1e-37
    adjusted = adjust(v, c, 0.5, 1.0)
    torch.testing.assert_close(norm(adjusted), norm(c), rtol=1e-5, atol=0)
    v, c = (torch.full((16,), 1.1e3, dtype=torch.float16) for _ in range(2))
    assert adjust(v, c, 0.5, 1.5).isfinite().all()


def test_nan_is_not_hidden():
    v, c = draw(3, 8), draw(3, 8, seed=1)
    v[0, 0], c[1, 0] = math.nan, math.inf
    adjusted = adjust(v, c)
    assert adjusted[:2].isnan().any(-1).all()
    assert adjusted[2].isfinite().all()


def test_leading_axes_broadcast():
    v, c = draw(2, 5, 8), draw(1, 5, 8, seed=1)
    together = adjust(v, c)
    assert together.shape == (2, 5, 8)
    assert torch.equal(together[1], adjust(v[1], c[0]))
    assert torch.equal(adjust(v, c[0, 0])[1, 3], adjust(v[1, 3], c[0, 0]))
    assert adjust(v[0], c).shape == (1, 5, 8)


def test_settings_can_differ_per_token():
    v, c = draw(2, 3, 8), draw(2, 3, 8, seed=1)
    alpha, beta = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([[0.5], [2.0]])
    adjusted = adjust(v, c, alpha, beta)
    for row in range(2):
        for token in range(3):
            alone = adjust(v[row, token], c[row, token], alpha[token].item(), beta[row].item())
            torch.testing.assert_close(adjusted[row, token], alone)


@given(seed=seeds)
def test_masked_rows_come_out_bit_for_bit(seed):
    v, c = draw(2, 5, 8, seed=seed, dtype=torch.bfloat16), draw(2, 5, 8, seed=seed + 1, dtype=torch.bfloat16)
    mask = draw(2, 5, seed=seed + 2) > 0
    adjusted = adjust(v, c, mask=mask)
    assert torch.equal(adjusted[~mask], v[~mask])
    assert torch.equal(adjusted[mask], adjust(v, c)[mask])


def test_inputs_are_left_alone():
    v, c = draw(3, 8), draw(3, 8, seed=1)
    before = v.clone(), c.clone()
    adjust(v, c)
    adjust(v, c, 0, None).zero_()
    assert torch.equal(v, before[0])
    assert torch.equal(c, before[1])


def test_gradients_are_those_of_the_formula():
    v, c = draw(3, 8).requires_grad_(), draw(3, 8, seed=1).requires_grad_()
    alpha = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *x: adjust(*x, beta=1.5), (v, c, alpha))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -0.1}, r"alpha=-0.1 .* between 0 and 1"),
        ({"alpha": 1.5}, r"alpha=1.5 .* between 0 and 1"),
        ({"alpha": math.nan}, "alpha=nan"),
        ({"alpha": "0.2"}, "alpha='0.2' must be a number"),
        ({"alpha": True}, "alpha=True must be a number"),
        ({"beta": 0}, "beta=0 .* above 0"),
        ({"beta": -1.0}, "beta=-1.0"),
        ({"beta": math.inf}, "finite"),
        ({"beta": None, "norm_blend": 1.2}, "norm_blend=1.2"),
        ({"norm_blend": 0.5}, "two rules for the same norm.*beta=None"),
        ({"alpha": torch.tensor(0.2 + 0j)}, "alpha is a tensor of torch.complex64.*real numbers"),
        ({"beta": torch.tensor(True)}, "beta is a tensor of torch.bool.*real numbers"),
        ({"alpha": torch.tensor(0.2).to(torch.float8_e4m3fn)}, "float8.*float32 tensor"),
    ],
)
def test_bad_settings_are_refused_everywhere(settings, message):
    with pytest.raises(AdjustmentError, match=message):
        Adjustment(**settings)
    with pytest.raises(AdjustmentError, match=message):
        adjust(draw(2, 4), draw(2, 4), **settings)


def test_bad_tensors_are_refused():
    with pytest.raises(
        EmbeddingError, match=r"\[1, 1280\] but prompt_embeds is \[4, 768\].*different text encoders"
    ):
        adjust(draw(4, 768), draw(1, 1280))
    with pytest.raises(EmbeddingError, match="Pair the tokens"):
        adjust(draw(4, 8), draw(5, 8))
    with pytest.raises(EmbeddingError, match="not token ids"):
        adjust(torch.ones(4, 8, dtype=torch.long), draw(4, 8))
    with pytest.raises(AdjustmentError, match="boolean"):
        adjust(draw(4, 8), draw(4, 8), mask=torch.ones(4))
    with pytest.raises(AdjustmentError, match=r"\[3\] does not fit"):
        adjust(draw(4, 8), draw(4, 8), mask=torch.ones(3, dtype=torch.bool))
    with pytest.raises(AdjustmentError, match=r"alpha=0.0…2.0"):
        adjust(draw(4, 8), draw(4, 8), alpha=torch.tensor([0.0, 0.5, 1.0, 2.0]))


@pytest.mark.parametrize(
    ("embeds", "message"),
    [
        ([[1.0, 2.0]], r"is a list.*torch\.as_tensor"),
        (torch.ones(3, 8).to_sparse(), r"sparse_coo, torch\.float32.*to_dense"),
        (torch.ones(3, 8).to(torch.float8_e4m3fn), r"float8_e4m3fn.*\.float\(\)"),
        (torch.ones(3, 0), r"\[3, 0\]: its vectors have no components"),
    ],
)
def test_what_is_no_plain_tensor_of_vectors_is_refused_on_either_side(embeds, message):
    with pytest.raises(EmbeddingError, match=f"prompt_embeds.*{message}"):
        adjust(embeds, draw(3, 8))
    with pytest.raises(EmbeddingError, match=f"anchor_embeds.*{message}"):
        adjust(draw(3, 8), embeds)
    with pytest.raises(AdjustmentError, match="mask is a list"):
        adjust(draw(3, 8), draw(3, 8), mask=[True])


@pytest.fixture
def plainly_imported(monkeypatch):
    """The module as users have it, without the checks of shapes, which no compiler can follow."""
    with as_it_was(ADJUSTERS):
        for name in ("uncollapse.geometry", "uncollapse.adjustment"):
            spec = importlib.util.spec_from_file_location(name, sys.modules[name].__file__)
            monkeypatch.setitem(sys.modules, name, importlib.util.module_from_spec(spec))
            spec.loader.exec_module(sys.modules[name])
        yield sys.modules["uncollapse.adjustment"]


def test_it_compiles_whole(plainly_imported):
    v, c = draw(2, 3, 8), draw(2, 3, 8, seed=1)
    alpha, mask = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([True, False, True])
    for settings in ((0.2, 1.5), (alpha, None, torch.tensor(0.5), mask)):
        compiled = torch.compile(plainly_imported.adjust, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(v, c, *settings), adjust(v, c, *settings))


def test_vmap_goes_over_settings_and_vectors():
    v, c, alphas, blends = draw(4, 3, 8), draw(3, 8, seed=1), torch.linspace(0, 1, 4), torch.linspace(1, 0, 4)
    over_alpha = torch.vmap(lambda alpha: adjust(v[0], c, alpha))(alphas)
    torch.testing.assert_close(over_alpha, torch.stack([adjust(v[0], c, float(a)) for a in alphas]))
    over_all = torch.vmap(lambda row, blend: adjust(row, c, 0.3, None, blend))(v, blends)
    each = [adjust(row, c, 0.3, None, float(blend)) for row, blend in zip(v, blends, strict=True)]
    torch.testing.assert_close(over_all, torch.stack(each))
