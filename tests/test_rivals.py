"""What stands beside the method, against its formula in float64."""

import numpy as np
import pytest
import torch

import uncollapse as uc
from toys.pipelines import encode
from uncollapse.adjusters import ADJUSTERS, Places, Role
from uncollapse.rivals import Lerp, Weight

V, C = torch.randn(2, 2, 5, 8, generator=torch.Generator().manual_seed(0))
ROLES = torch.tensor([[3, 2, 1, 1, 3], [3, 2, 1, 0, 3]], dtype=torch.int8)
PLACES = Places(ROLES, ROLES > 0)
PROMPT = "a photo of sks cat in the snow"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_lerp_is_the_straight_line(dtype):
    v, c = V.to(dtype), C.to(dtype)
    found = Lerp(0.3).adjust(v, c, PLACES)
    line = 0.7 * v.double().numpy() + 0.3 * c.double().numpy()
    assert found.dtype == dtype
    np.testing.assert_allclose(found.double().numpy(), line, rtol=torch.finfo(dtype).eps * 2, atol=1e-6)


def test_weight_multiplies_the_concepts_own_and_no_other():
    found = Weight(0.5).adjust(V, C, PLACES)
    own = ROLES == Role.CONCEPT
    assert torch.equal(found[own], V[own] / 2)
    assert torch.equal(found[~own], V[~own])


def test_they_reach_a_pipeline(pipe):
    plain, twin = encode(pipe, PROMPT)[0][0], encode(pipe, "a photo of big dog in the snow")[0][0]
    with uc.apply(pipe, "sks cat", anchor="big dog", adjuster=Weight(0.5)):
        weighed = encode(pipe, PROMPT)[0][0]
    assert (weighed != plain).any(-1).nonzero().flatten().tolist() == [4, 5]  # sks cat, after BOS a photo of
    torch.testing.assert_close(weighed[4:6], plain[4:6] / 2)
    with uc.apply(pipe, "sks cat", anchor="big dog", adjuster=Lerp(1)):
        torch.testing.assert_close(encode(pipe, PROMPT)[0][0], twin, atol=1e-5, rtol=0)


def test_two_concepts_share_by_the_mean():
    assert Lerp(0.2).shared([Lerp(0.6)]) == Lerp(0.4)
    assert Weight(0.2).shared([Weight(0.6)]) == Weight(0.2)  # which moves no shared word
    with pytest.raises(uc.AdjustmentError, match=r"LERP α 0.2 and TEA α 0.2 cannot share"):
        Lerp().shared([uc.Adjustment()])


def test_a_schedule_weakens_them():
    assert Lerp(0.6).weakened(0.5) == Lerp(0.3)
    assert Weight(0.6).weakened(0.5) == Weight(0.8)
    assert Weight(0.6).weakened(0) == Weight(1)


@pytest.mark.parametrize(
    "make", [lambda: Lerp(1.1), lambda: Lerp(float("nan")), lambda: Weight(float("inf"))]
)
def test_what_is_out_of_range_is_refused(make):
    with pytest.raises(uc.AdjustmentError, match=r"alpha=|times="):
        make()


def test_they_are_asked_for_by_name():
    assert (ADJUSTERS["lerp"], ADJUSTERS["weight"]) == (Lerp, Weight)
    assert (Lerp().label, Weight().label) == ("LERP α 0.2", "Weight 0.8")
