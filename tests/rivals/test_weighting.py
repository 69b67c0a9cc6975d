"""Weighting, against each interface's own lines in float64, and against Compel where it does the same."""

import compel
import numpy as np
import pytest
import torch

import uncollapse as uc
from toys.layouts import encode_any, flux
from toys.pipelines import encode
from toys.rows import PLACES, ROLES, C, V
from uncollapse.adjusters import Places, Role
from uncollapse.rivals import A1111, ComfyUI, Lerp, Weight

PROMPT = "a photo of sks cat in the snow"
OWN = [4, 5]  # sks cat, after BOS a photo of


def by_a1111(z, multipliers):
    original_mean = z.mean()
    z = z * multipliers[:, None]
    new_mean = z.mean()
    return z * (original_mean / new_mean)


def test_weight_multiplies_the_concepts_own_and_no_other():
    found = Weight(0.5).adjust(V, C, PLACES)
    own = ROLES == Role.CONCEPT
    assert torch.equal(found[own], V[own] / 2)
    assert torch.equal(found[~own], V[~own])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16], ids=str)
def test_a1111_gives_each_row_its_mean_back(dtype):
    z = V.to(dtype)
    found = A1111(0.5).adjust(z, C.to(dtype), PLACES)
    multipliers = np.where(ROLES == Role.CONCEPT, 0.5, 1.0)
    expected = np.stack([by_a1111(*each) for each in zip(z.double().numpy(), multipliers, strict=True)])
    assert found.dtype == dtype
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=20 * torch.finfo(dtype).eps, atol=1e-3)
    assert torch.equal(A1111(1).adjust(z, C.to(dtype), PLACES), z)
    assert torch.equal(A1111(0.5).adjust(z, C, Places.all(Role.REST, z)), z)  # as a pooled vector is


def test_comfyui_weighs_the_difference_to_the_empty_prompt():
    found = ComfyUI(0.5).adjust(V, C, PLACES)
    own = ROLES == Role.CONCEPT
    np.testing.assert_allclose(found[own], (C + 0.5 * (V - C))[own], rtol=1e-6)
    assert torch.equal(found[~own], V[~own])


def test_they_reach_a_pipeline(pipe):
    with torch.no_grad():  # else the mean of every vector is 0, and A1111 at a loss
        pipe.text_encoder.final_layer_norm.bias.add_(0.3)
    plain, empty = (encode(pipe, text)[0][0].double().numpy() for text in (PROMPT, ""))
    multipliers = np.ones(len(plain))
    multipliers[OWN] = 0.5
    expected = {
        Weight: plain * multipliers[:, None],
        A1111: by_a1111(plain, multipliers),
        ComfyUI: np.where(multipliers[:, None] == 1, plain, empty + 0.5 * (plain - empty)),
    }
    for kind, judged in expected.items():
        with uc.apply(pipe, "sks cat", anchor="dog", adjuster=kind(0.5)):
            found, negative = encode(pipe, PROMPT, "a dog")
        np.testing.assert_allclose(found[0], judged, atol=1e-5)
        assert torch.equal(negative, encode(pipe, PROMPT, "a dog")[1])


@pytest.mark.parametrize("anchor", ["dog", "a small red dog"])
def test_above_1_compel_does_what_comfyui_does(lora_pipe, anchor):
    weigh = compel.Compel(tokenizer=lora_pipe.tokenizer, text_encoder=lora_pipe.text_encoder)
    with torch.no_grad():
        expected = weigh("a photo of (sks cat)1.3 in the snow")
    with uc.apply(lora_pipe, "sks cat", anchor=anchor, adjuster=ComfyUI(1.3)):
        torch.testing.assert_close(encode(lora_pipe, PROMPT)[0], expected, atol=1e-5, rtol=1e-4)


def test_an_encoder_that_hears_less_of_the_empty_prompt_leaves_the_places_beyond_it():
    """T5 pads nothing here, so the empty prompt is one token long, and only that place has a partner."""
    pipe = flux()
    pipe.tokenizer_2.padding = False
    plain, empty = (encode_any(pipe, text)[0][0] for text in ("sks cat in the snow", ""))
    with uc.apply(pipe, "sks cat", anchor="dog", adjuster=ComfyUI(0.5)):
        found = encode_any(pipe, "sks cat in the snow")[0][0]
    torch.testing.assert_close(found[:2], (plain + empty)[:2] / 2, atol=1e-5, rtol=0)
    assert torch.equal(found[2:], plain[2:])


def test_two_concepts_in_a_prompt():
    assert Weight(0.2).shared([Weight(0.6)]) == Weight(0.2)  # which moves no shared word
    assert ComfyUI(0.2).shared([ComfyUI(0.6)]) == ComfyUI(0.2)
    assert A1111(0.2).shared([A1111(0.2)]) == A1111(0.2)
    with pytest.raises(uc.AdjustmentError, match=r"A1111 weight 0.2 and A1111 weight 0.6 cannot share"):
        A1111(0.2).shared([A1111(0.6)])


def test_what_wants_other_things_beside_it_is_not_mixed(pipe):
    concepts = [
        uc.Concept("sks cat", "dog", adjuster=ComfyUI()),
        uc.Concept("carved man", "hat", adjuster=Lerp()),
    ]
    with pytest.raises(uc.AdjustmentError, match=r"ComfyUI weight 0.8 and LERP α 0.2 want different things"):
        uc.apply(pipe, concepts)


@pytest.mark.parametrize("kind", [Weight, A1111, ComfyUI])
def test_a_schedule_weakens_them(kind):
    assert kind(0.6).weakened(0.5) == kind(0.8)
    assert kind(0.6).weakened(0) == kind(1)


@pytest.mark.parametrize("kind", [Weight, A1111, ComfyUI])
def test_what_is_no_number_is_refused(kind):
    with pytest.raises(uc.AdjustmentError, match=rf"{kind.__name__}\(\): times=inf"):
        kind(float("inf"))


def test_what_they_are_called():
    assert [kind(0.7).label for kind in (Weight, A1111, ComfyUI)] == [
        "Weight 0.7",
        "A1111 weight 0.7",
        "ComfyUI weight 0.7",
    ]
