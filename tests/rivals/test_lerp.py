"""The straight line, against its formula in float64."""

import numpy as np
import pytest
import torch

import uncollapse as uc
from toys.pipelines import encode
from toys.rows import PLACES, C, V
from uncollapse.rivals import Lerp

PROMPT, TWIN = "a photo of sks cat in the snow", "a photo of big dog in the snow"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_lerp_is_the_straight_line(dtype):
    v, c = V.to(dtype), C.to(dtype)
    found = Lerp(0.3).adjust(v, c, PLACES)
    line = 0.7 * v.double().numpy() + 0.3 * c.double().numpy()
    assert found.dtype == dtype
    np.testing.assert_allclose(found.double().numpy(), line, rtol=torch.finfo(dtype).eps * 2, atol=1e-6)


def test_it_reaches_a_pipeline(pipe):
    with uc.apply(pipe, "sks cat", anchor="big dog", adjuster=Lerp(1)):
        found = encode(pipe, PROMPT)[0]
    torch.testing.assert_close(found, encode(pipe, TWIN)[0], atol=1e-5, rtol=0)


def test_two_concepts_share_by_the_mean():
    assert Lerp(0.2).shared([Lerp(0.6)]) == Lerp(0.4)
    with pytest.raises(uc.AdjustmentError, match=r"LERP α 0.2 and TEA α 0.2 cannot share"):
        Lerp().shared([uc.Adjustment()])


def test_a_schedule_weakens_it():
    assert Lerp(0.6).weakened(0.5) == Lerp(0.3)


@pytest.mark.parametrize("alpha", [1.1, float("nan")])
def test_what_is_out_of_range_is_refused(alpha):
    with pytest.raises(uc.AdjustmentError, match=r"Lerp\(\): alpha="):
        Lerp(alpha)
