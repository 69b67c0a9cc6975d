"""Encoded prompts are kept, and never used once anything that made them has changed."""

import gc
import weakref

import pytest
import tokenizers
import torch
from diffusers.training_utils import EMAModel

import uncollapse as uc
from toys.counting import count_encodes
from toys.layouts import LAYOUTS, encode_any
from toys.pipelines import add_lora, encode, make_pipeline
from uncollapse.pipelines import cache
from uncollapse.pipelines.encode_step import tensors_in

PROMPT = "a photo of sks cat in the snow"
CAT = {"concept": "sks cat", "anchor": "cat"}


def assert_same(ones, twos):
    assert all(torch.equal(one, two) for one, two in zip(ones, twos, strict=True))


@pytest.fixture
def encodes(lora_pipe, monkeypatch):
    """The text encoder's forwards, as they happen."""
    return count_encodes(lora_pipe, monkeypatch)


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


def norm(pipe):
    return pipe.text_encoder.final_layer_norm


def first_layer(pipe):
    return pipe.text_encoder.encoder.layers[0]


@torch.no_grad()
def write_under_autograd(pipe):
    lora_layer(pipe).lora_B["default"].weight[0, 0] += 1.0


def write_past_autograd(pipe):
    norm(pipe).weight.data += 0.5


def write_one_value(pipe):
    lora_layer(pipe).lora_B["default"].weight.data[7, 1] += 1.0


def write_a_row(pipe):
    pipe.text_encoder.get_input_embeddings().weight.data[pipe.tokenizer("snow").input_ids[1]] = 1.0


def write_by_numpy(pipe):
    pipe.text_encoder.get_input_embeddings().weight.detach().numpy()[pipe.tokenizer("snow").input_ids[1]] = 1


def swap_rows(pipe):
    rows = pipe.tokenizer("snow cat").input_ids[1:3]
    weight = pipe.text_encoder.get_input_embeddings().weight.data
    weight[rows] = weight[rows[::-1]].clone()


def other_data(pipe):
    norm(pipe).weight.data = norm(pipe).weight.data * 1.5


def other_parameter(pipe):
    norm(pipe).weight = torch.nn.Parameter(norm(pipe).weight.detach() * 1.5)


def average(pipe):
    averaged = EMAModel(pipe.text_encoder.parameters())
    for shadow in averaged.shadow_params:
        shadow.mul_(1.1)
    averaged.copy_to(pipe.text_encoder.parameters())


def write_in_inference_mode(pipe):
    with torch.inference_mode():
        norm(pipe).weight = torch.nn.Parameter(norm(pipe).weight * 1, requires_grad=False)
    encode(pipe, PROMPT)
    with torch.inference_mode():
        norm(pipe).weight[3] += 1


def scale(pipe):
    for module in pipe.text_encoder.modules():
        if hasattr(module, "lora_A"):
            module.set_scale("default", 0.3)


def replace_the_encoder(pipe):
    pipe.text_encoder = make_pipeline(seed=9).text_encoder


def hook(pipe):
    norm(pipe).register_forward_hook(lambda module, args, output: output * 2)


def hook_within(pipe):
    first_layer(pipe).mlp.register_forward_pre_hook(lambda module, args: (args[0] * 2,))


def hook_that_grows(pipe):
    strength = [1.0]
    norm(pipe).register_forward_hook(lambda module, args, output: output * strength[0])
    encode(pipe, PROMPT)
    strength[0] = 2.0


def own_forward(pipe):
    layer, strength = first_layer(pipe).mlp, [1.0]
    forward = layer.forward
    layer.forward = lambda *args: forward(*args) * strength[0]
    encode(pipe, PROMPT)
    strength[0] = 2.0


def own_class(pipe):
    class Louder(type(norm(pipe))):
        strength = 1.0

        def forward(self, x):
            return super().forward(x) * self.strength

    norm(pipe).__class__ = Louder
    encode(pipe, PROMPT)
    Louder.strength = 2.0


def attribute(of, name, value):
    def change(pipe):
        setattr(of(pipe), name, value)

    return change


def normalizer(pipe):
    pipe.tokenizer.backend_tokenizer.normalizer = tokenizers.normalizers.Replace("snow", "hat")


def configure(name, value):
    return lambda pipe: pipe.register_to_config(**{name: value})


def add_a_token(pipe):
    pipe.tokenizer.add_tokens("snow")
    pipe.text_encoder.resize_token_embeddings(len(pipe.tokenizer))


def attention(pipe):
    return first_layer(pipe).self_attn


def tokens(name, value):
    return attribute(lambda pipe: pipe.tokenizer, name, value)


ACTIONS = {
    "in place": write_under_autograd,
    "past autograd": write_past_autograd,
    "one value of a LoRA": write_one_value,
    "a row": write_a_row,
    "numpy": write_by_numpy,
    "rows change places": swap_rows,
    "param.data": other_data,
    "another parameter": other_parameter,
    "EMA": average,
    "inference mode": write_in_inference_mode,
    "LoRA's scale": scale,
    "adapters off": lambda pipe: pipe.text_encoder.disable_adapters(),
    "fused": lambda pipe: pipe.fuse_lora(components=["text_encoder"], lora_scale=0.5),
    "a second LoRA": lambda pipe: add_lora(pipe, seed=4, name="second"),
    "LoRA deleted": lambda pipe: pipe.text_encoder.delete_adapter("default"),
    "another encoder": replace_the_encoder,
    "a hook": hook,
    "a hook within": hook_within,
    "a hook that grows": hook_that_grows,
    "own forward": own_forward,
    "own class": own_class,
    "float64": lambda pipe: pipe.text_encoder.double(),
    "float16 and back": lambda pipe: pipe.text_encoder.bfloat16().float(),
    "a layer less": lambda pipe: pipe.text_encoder.encoder.layers.__delitem__(1),
    "activation": attribute(lambda pipe: first_layer(pipe).mlp, "activation_fn", torch.nn.ReLU()),
    "epsilon": attribute(norm, "eps", 0.5),
    "attention's scale": attribute(attention, "scale", 3.0),
    "attention is not causal": attribute(attention, "is_causal", False),
    "pad_token": tokens("pad_token", "snow</w>"),
    "padding_side": tokens("padding_side", "left"),
    "truncation_side": lambda pipe: (
        setattr(pipe.tokenizer, "truncation_side", "left"),
        setattr(pipe.tokenizer, "model_max_length", 9),
    ),
    "model_max_length": tokens("model_max_length", 9),
    "normalizer": normalizer,
}


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:.*cannot be told word by word")  # of a prompt cut off on the left
@pytest.mark.parametrize("change", ACTIONS.values(), ids=ACTIONS)
def test_nothing_stale_is_used(lora_pipe, change):
    with uc.apply(lora_pipe, **CAT):
        before = encode(lora_pipe, PROMPT)[0]
        change(lora_pipe)
        after = encode(lora_pipe, PROMPT)[0]
        cache.clear(lora_pipe)
        fresh = encode(lora_pipe, PROMPT)[0]
    assert torch.equal(after, fresh)
    if change is not ACTIONS["attention is not causal"]:  # which the mask overrules
        assert before.dtype != after.dtype or not torch.equal(before, after)


def test_a_row_of_the_base_is_not_stale(tuned_pipe, base_pipe):
    with uc.apply(tuned_pipe, **CAT, base=base_pipe):
        before = encode(tuned_pipe, PROMPT)[0]
        write_a_row(base_pipe)
        after = encode(tuned_pipe, PROMPT)[0]
        cache.clear(tuned_pipe)
        assert torch.equal(encode(tuned_pipe, PROMPT)[0], after)
    assert not torch.equal(before, after)


def test_an_encoder_that_writes_to_its_weights_while_it_runs_is_not_stale(lora_pipe):
    """PEFT takes a fused adapter out of the weights, past autograd, in the first forward without it."""
    lora_pipe.fuse_lora(components=["text_encoder"])
    with uc.apply(lora_pipe, **CAT, negative_encoder="base"):
        encode(lora_pipe, PROMPT)
        for layer in lora_pipe.text_encoder.modules():
            if hasattr(layer, "lora_A"):
                layer.merged_adapters = []  # what was fused stays, as the encoder's own
        after = encode(lora_pipe, PROMPT)
        cache.clear(lora_pipe)
        assert_same(encode(lora_pipe, PROMPT), after)


@pytest.mark.parametrize("kinds", [(torch.bfloat16, torch.float16), (torch.float16, torch.bfloat16)])
def test_autocast_of_another_kind_is_not_stale(lora_pipe, kinds):
    found = []
    with uc.apply(lora_pipe, **CAT):
        for kind in kinds:
            with torch.autocast("cpu", kind):
                found.append(encode(lora_pipe, PROMPT)[0])
        cache.clear(lora_pipe)
        with torch.autocast("cpu", kinds[1]):
            assert torch.equal(encode(lora_pipe, PROMPT)[0], found[1])
    assert not torch.equal(*found)


def configured(name, value):
    return attribute(lambda pipe: pipe, name, value)


def other_template(pipe):
    pipe.prompt_template_encode = pipe.prompt_template_encode.replace("Describe", "Picture")


def other_projection(pipe):
    pipe.projection_model.text_projection.weight.data[0] += 1


OTHERS = {
    "SDXL's zeros": ("P N p n, two CLIPs side by side", configure("force_zeros_for_empty_prompt", False)),
    "SD3's tokenizer_max_length": ("P N p n, CLIPs then T5", configured("tokenizer_max_length", 9)),
    "Flux's tokenizer_max_length": ("P p ids", configured("tokenizer_max_length", 9)),
    "Qwen's template": ("P M, template, unpadded", configured("prompt_template_encode_start_idx", 30)),
    "Qwen's words": ("P M, template, unpadded", other_template),
    "StableAudio's projection": ("negative then positive", other_projection),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize(("layout", "change"), OTHERS.values(), ids=OTHERS)
def test_nothing_that_the_pipeline_reads_is_stale(layout, change):
    pipe = LAYOUTS[layout]()
    if "projection_model" in pipe.components and hasattr(pipe.projection_model, "text_projection"):
        pipe.projection_model.text_projection = torch.nn.Linear(32, 16)
    with uc.apply(pipe, **CAT):
        before = tensors_in(encode_any(pipe, PROMPT))
        change(pipe)
        after = tensors_in(encode_any(pipe, PROMPT))
        cache.clear(pipe)
        assert_same(tensors_in(encode_any(pipe, PROMPT)), after)
    assert any(
        one.shape != two.shape or not torch.equal(one, two) for one, two in zip(before, after, strict=True)
    )


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
        held = sum(map(cache._nbytes, cache._entries[lora_pipe].values()))
        monkeypatch.setattr(cache, "LIMIT", 2 * held)
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


def test_many_prompts_share_their_negative_prompt(lora_pipe, encodes):
    places = ["snow", "canyon", "forest", "desert", "kitchen"]
    with uc.apply(lora_pipe, **CAT):
        for _ in range(3):
            for place in places:
                encode(lora_pipe, f"a photo of sks cat in the {place}", "a red car")
    assert sum(rows for _, rows in encodes) == 2 * len(places) + 1


def test_of_the_layers_only_those_that_are_read_are_kept():
    pipe = LAYOUTS["P N p n, two CLIPs side by side"]()
    with uc.apply(pipe, **CAT):
        encode_any(pipe, PROMPT, "a hat")
    for answer in cache._entries[pipe].values():
        assert [isinstance(layer, torch.Tensor) for layer in answer["hidden_states"]].count(True) == 1


def test_layers_that_were_not_kept_are_encoded_when_they_are_wanted(monkeypatch):
    pipe = LAYOUTS["P N p n, two CLIPs side by side"]()
    calls = count_encodes(pipe, monkeypatch)
    found = []
    with uc.apply(pipe, **CAT):
        for skip in (None, 1, 1, None, 1):
            calls.clear()
            tensors = tensors_in(encode_any(pipe, PROMPT, clip_skip=skip))
            found.append((tensors, len(calls)))
    fresh = LAYOUTS["P N p n, two CLIPs side by side"]()
    for skip, (tensors, _) in zip((None, 1, 1, None, 1), found, strict=True):
        with uc.apply(fresh, **CAT):
            cache.clear(fresh)
            assert_same(tensors_in(encode_any(fresh, PROMPT, clip_skip=skip)), tensors)
    assert found[1][1] > 0 == found[2][1]
