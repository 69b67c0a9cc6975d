"""Encoded prompts are kept, and never used once anything that made them has changed."""

import gc
import weakref

import pytest
import torch

import uncollapse as uc
from toys.pipelines import add_lora, encode, make_pipeline
from uncollapse.pipelines import cache

PROMPT = "a photo of sks cat in the snow"
CAT = {"concept": "sks cat", "anchor": "cat"}


@pytest.fixture
def encodes(lora_pipe, monkeypatch):
    """The text encoder's forwards, as they happen."""
    kind, calls = type(lora_pipe.text_encoder), []
    forward = kind.forward
    monkeypatch.setattr(kind, "forward", lambda self, *a, **k: calls.append(self) or forward(self, *a, **k))
    return calls


@pytest.mark.parametrize("anchor_encoder", ["base", "tuned"])
def test_a_sweep_costs_two_encodes_a_prompt(lora_pipe, encodes, anchor_encoder):
    prompts = [PROMPT, "the sks cat on a bridge", "sks cat wearing a hat"]
    for alpha in (0.1, 0.2, 0.4):
        for beta in (1.0, 1.5, None):
            with uc.apply(lora_pipe, **CAT, alpha=alpha, beta=beta, anchor_encoder=anchor_encoder):
                for prompt in prompts:
                    encode(lora_pipe, prompt, guidance=False)
    assert len(encodes) == 2 * len(prompts)


def test_a_negative_prompt_is_encoded_once(lora_pipe, encodes):
    with uc.apply(lora_pipe, **CAT):
        for _ in range(3):
            encode(lora_pipe, PROMPT, "a red car")
    assert len(encodes) == 3  # prompt, negative prompt, twin


def test_what_is_kept_gives_what_encoding_gives(lora_pipe):
    with uc.apply(lora_pipe, **CAT, alpha=0.5):
        encode(lora_pipe, PROMPT)
    with uc.apply(lora_pipe, **CAT, alpha=0.2):
        kept = encode(lora_pipe, PROMPT)
        cache.clear(lora_pipe)
        fresh = encode(lora_pipe, PROMPT)
    assert all(torch.equal(one, two) for one, two in zip(kept, fresh, strict=True))


def test_writing_into_a_result_does_not_reach_the_next(lora_pipe):
    with uc.apply(lora_pipe, **CAT):
        first = encode(lora_pipe, PROMPT, "a hat")
        copies = [tensor.clone() for tensor in first]
        for tensor in first:
            tensor.zero_()
        assert all(
            torch.equal(*pair) for pair in zip(encode(lora_pipe, PROMPT, "a hat"), copies, strict=True)
        )


def lora_layer(pipe):
    return next(m for m in pipe.text_encoder.modules() if hasattr(m, "lora_A"))


@torch.no_grad()
def write_under_autograd(pipe):
    lora_layer(pipe).lora_B["default"].weight[0, 0] += 1.0


def write_past_autograd(pipe):
    weight = pipe.text_encoder.get_parameter("final_layer_norm.weight")
    weight.data += 0.5


def write_one_row(pipe):
    table = pipe.text_encoder.get_input_embeddings().weight.detach()
    table[pipe.tokenizer("snow").input_ids[1]] = 1.0


def scale(pipe):
    for module in pipe.text_encoder.modules():
        if hasattr(module, "lora_A"):
            module.set_scale("default", 0.3)


def replace_the_encoder(pipe):
    pipe.text_encoder = make_pipeline(seed=9).text_encoder


def hook(pipe):
    pipe.text_encoder.final_layer_norm.register_forward_hook(lambda module, args, output: output * 2)


@pytest.mark.parametrize(
    "change",
    [
        write_under_autograd,
        write_past_autograd,
        write_one_row,
        scale,
        lambda pipe: pipe.text_encoder.disable_adapters(),
        lambda pipe: pipe.fuse_lora(components=["text_encoder"], lora_scale=0.5),
        lambda pipe: add_lora(pipe, seed=4, name="second"),
        replace_the_encoder,
        hook,
        lambda pipe: pipe.text_encoder.double(),
    ],
    ids=[
        "in place", "past autograd", "one row", "scale", "off", "fused", "second", "encoder", "hook", "dtype",
    ],
)  # fmt: skip
def test_nothing_stale_is_used(lora_pipe, change):
    with uc.apply(lora_pipe, **CAT):
        before = encode(lora_pipe, PROMPT)[0]
        change(lora_pipe)
        after = encode(lora_pipe, PROMPT)[0]
        cache.clear(lora_pipe)
        fresh = encode(lora_pipe, PROMPT)[0]
    assert torch.equal(after, fresh)
    assert before.dtype != after.dtype or not torch.equal(before, after)


def test_other_arguments_anchors_and_bases_are_other_entries(tuned_pipe, base_pipe):
    found = []
    for settings in ({"anchor": "cat"}, {"anchor": "dog"}, {"anchor": "cat", "base": base_pipe}):
        with uc.apply(tuned_pipe, "sks cat", **settings):
            found += [encode(tuned_pipe, PROMPT)[0], encode(tuned_pipe, PROMPT, images=2)[0]]
    ones = found[::2]
    assert not any(torch.equal(ones[i], ones[j]) for i in range(3) for j in range(i))
    assert [len(tensor) for tensor in found] == [1, 2] * 3


def test_gradients_are_never_kept(lora_pipe, encodes):
    lora_pipe.text_encoder.requires_grad_(True)
    with uc.apply(lora_pipe, **CAT):
        for _ in range(2):
            embeds, _ = lora_pipe.encode_prompt(PROMPT, torch.device("cpu"), 1, False)
            assert embeds.requires_grad
    assert len(encodes) == 4


def test_the_oldest_leave_when_there_is_no_room(lora_pipe, encodes, monkeypatch):
    with uc.apply(lora_pipe, **CAT):
        encode(lora_pipe, PROMPT, guidance=False)
        ((_, entry),) = cache._entries[lora_pipe].values()
        monkeypatch.setattr(cache, "LIMIT", 2 * entry.nbytes)
        for prompt in ("sks cat", "the sks cat"):
            encode(lora_pipe, prompt, guidance=False)
        encodes.clear()
        encode(lora_pipe, "sks cat", guidance=False)
        assert encodes == []
        encode(lora_pipe, PROMPT, guidance=False)
        assert len(encodes) == 2


def test_nothing_is_kept_beyond_the_pipeline():
    pipe = make_pipeline()
    with uc.apply(pipe, **CAT):
        encode(pipe, PROMPT)
    gone = weakref.ref(pipe)
    del pipe
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("size", [1, 5, 16, 17, 100, 49408 * 768, 2**31 + 1])
def test_a_table_of_any_size_is_sampled_from_end_to_end(size):
    row = torch.zeros(1).expand(size) if size > 10**6 else torch.arange(size)
    sample = cache._sample(row)
    assert len(sample) == min(16, size)
    if size <= 10**6:
        assert sample[0] == 0
        assert size - 15 <= sample[-1] < size
    assert sample.data_ptr() == row.data_ptr()
