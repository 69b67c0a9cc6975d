"""apply() on modular pipelines: real text-encoder blocks, with real toy encoders."""

import pytest
import torch
from diffusers import ClassifierFreeGuidance

import uncollapse as uc
from toys.counting import count_encodes
from toys.modular import BLOCKS, modular
from uncollapse.components import text_encoders
from uncollapse.pipelines.encode_step import tensors_in

pytestmark = pytest.mark.thorough

PROMPT, TWIN = "a photo of sks cat in the snow", "a photo of big dog in the snow"


@pytest.fixture(params=BLOCKS, ids=[name.split(".")[1] for name in BLOCKS])
def pipe(request):
    return modular(request.param)


def encoded(pipe, prompt, **more):
    if "max_sequence_length" in pipe._blocks.input_names:
        more["max_sequence_length"] = 256  # of a thousand, most are padding
    with torch.no_grad():
        state = pipe(prompt=prompt, **more)
    return tensors_in([state.get(name) for name in pipe._blocks.intermediate_output_names])


def assert_same(ones, twos):
    assert len(ones) == len(twos) > 0
    for one, two in zip(ones, twos, strict=True):
        assert torch.equal(one, two)


def test_alpha_0_without_rescale_is_the_plain_pipeline(pipe):
    plain = encoded(pipe, PROMPT)
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=0, beta=None):
        assert_same(encoded(pipe, PROMPT), plain)


def test_alpha_1_beta_1_with_equal_counts_is_the_anchor_prompt(pipe):
    plain, twin = encoded(pipe, PROMPT), encoded(pipe, TWIN)
    with uc.apply(pipe, "sks cat", anchor="big dog", alpha=1, beta=1):
        adjusted = encoded(pipe, PROMPT)
    moved = 0
    for own, one, two in zip(plain, adjusted, twin, strict=True):
        torch.testing.assert_close(one, two, atol=2e-6, rtol=0)
        moved += int((own != two).any())
    assert moved


def test_other_prompts_and_removal_keep_every_bit(pipe):
    plain, other, kinds = encoded(pipe, PROMPT), encoded(pipe, "a red car"), _classes(pipe)
    with uc.apply(pipe, "sks cat", anchor="dog"):
        with pytest.warns(uc.UncollapseWarning, match="does not mention"):
            assert_same(encoded(pipe, "a red car"), other)
        assert any(not torch.equal(a, b) for a, b in zip(plain, encoded(pipe, PROMPT), strict=True))
    assert _classes(pipe) == kinds
    assert_same(encoded(pipe, PROMPT), plain)


def test_a_failure_inside_leaves_the_pipeline_as_it_was(pipe):
    plain = encoded(pipe, PROMPT)
    failing = next(iter(text_encoders(pipe).values())).register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), uc.apply(pipe, "sks cat", anchor="dog"):
        encoded(pipe, PROMPT)
    failing.remove()
    assert_same(encoded(pipe, PROMPT), plain)


def test_two_pipelines_of_one_class_do_not_meet():
    one, two = (modular("flux.FluxTextEncoderStep") for _ in "ab")
    plain = encoded(two, PROMPT)
    with uc.apply(one, "sks cat", anchor="dog"):
        assert_same(encoded(two, PROMPT), plain)


def test_even_the_first_prompt_of_a_pipeline_is_encoded_once(monkeypatch):
    pipe = modular("stable_diffusion_xl.StableDiffusionXLTextEncoderStep")
    calls = count_encodes(pipe, monkeypatch)
    with uc.apply(pipe, "sks cat", anchor="dog"):
        encoded(pipe, PROMPT)
        once = len(calls)
        encoded(pipe, PROMPT)
    assert len(calls) == once > 0


def test_turning_guidance_off_is_not_answered_from_the_cache():
    pipe = modular("stable_diffusion_xl.StableDiffusionXLTextEncoderStep")
    with uc.apply(pipe, "sks cat", anchor="dog"):
        guided = [encoded(pipe, PROMPT) for _ in range(2)][-1]  # from the cache
        pipe.update_components(guider=ClassifierFreeGuidance(guidance_scale=1.0, enabled=False))
        assert len(encoded(pipe, PROMPT)) < len(guided)


def test_a_second_adjustment_is_refused_and_the_negative_prompt_keeps_its_bits():
    pipe = modular("stable_diffusion_xl.StableDiffusionXLTextEncoderStep")
    names = pipe._blocks.intermediate_output_names
    plain = dict(zip(names, encoded(pipe, PROMPT, negative_prompt="sks cat"), strict=True))
    with uc.apply(pipe, "sks cat", anchor="dog"):
        with pytest.raises(uc.PipelineError, match="adjusted already"):
            uc.apply(pipe, "sks cat", anchor="dog")
        adjusted = dict(zip(names, encoded(pipe, PROMPT, negative_prompt="sks cat"), strict=True))
    for name in names:
        assert torch.equal(plain[name], adjusted[name]) == name.startswith("negative"), name


def _classes(pipe) -> list[type]:
    return [type(block) for block in pipe._blocks.sub_blocks.values()]
