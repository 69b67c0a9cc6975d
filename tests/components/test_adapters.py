"""Adapters of a whole pipeline off for a while; tests/pipelines/test_prompt_level.py has all their states."""

import pytest
import torch

from toys.pipelines import add_lora, encode, generate, make_pipeline
from toys.states import assert_same, assert_same_state, everything, state_of
from uncollapse.components import adapters_off, has_adapters, without_adapters

PROMPT = "a photo of sks cat"


def test_within_the_block_the_pipeline_draws_as_before_its_lora(lora_pipe):
    plain, tuned = generate(make_pipeline(), PROMPT), generate(lora_pipe, PROMPT)
    before = state_of(lora_pipe), everything(lora_pipe)
    with without_adapters(lora_pipe) as had_some:
        drawn = generate(lora_pipe, PROMPT)
    assert had_some
    torch.testing.assert_close(drawn, plain, atol=1e-5, rtol=0)
    assert not torch.allclose(drawn, tuned, atol=1e-3)
    assert_same_state(before[0], state_of(lora_pipe))
    assert_same(before[1], everything(lora_pipe))
    assert torch.equal(generate(lora_pipe, PROMPT), tuned)


def test_merged_weights_come_back_bit_for_bit_when_the_block_fails(lora_pipe):
    lora_pipe.fuse_lora(components=["text_encoder", "unet"])
    merged = generate(lora_pipe, PROMPT)
    before = state_of(lora_pipe), everything(lora_pipe)

    def fail():
        with without_adapters(lora_pipe):
            assert not torch.allclose(generate(lora_pipe, PROMPT), merged, atol=1e-3)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert_same_state(before[0], state_of(lora_pipe))
    assert_same(before[1], everything(lora_pipe))


def test_only_the_parts_that_are_given_are_switched_off(lora_pipe):
    plain = encode(make_pipeline(), PROMPT)[0]
    tuned = generate(make_pipeline(), PROMPT)
    with adapters_off([lora_pipe.text_encoder]):
        torch.testing.assert_close(encode(lora_pipe, PROMPT)[0], plain)
        assert not torch.allclose(generate(lora_pipe, PROMPT), tuned, atol=1e-3)


def test_whether_a_pipeline_has_adapters(pipe):
    assert not has_adapters(pipe)
    with without_adapters(pipe) as had_some:
        assert not had_some
    add_lora(pipe)
    assert has_adapters(pipe)
    pipe.text_encoder.disable_adapters()
    assert has_adapters(pipe)  # the U-Net's
    pipe.unet.disable_adapters()
    assert not has_adapters(pipe)
    with without_adapters(pipe) as had_some:
        assert not had_some
