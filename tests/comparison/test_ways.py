"""What people would do without an adjustment, drawn as they would do it by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import uncollapse as uc
from toys.comparisons import CONCEPT, PROMPTS
from toys.pictures import pixels
from toys.pipelines import add_lora, encode, make_pipeline
from toys.registries import as_it_was
from toys.states import assert_same, assert_same_state, everything, state_of
from uncollapse.comparison import PERSONALISED, WAYS, Arm, compare, parse_arm, typed_arm, way
from uncollapse.components import adapters_scaled
from uncollapse.errors import AdjustmentError, PipelineError, UncollapseWarning
from uncollapse.models.generation import GenerationSettings, generate

SETTINGS = GenerationSettings(num_inference_steps=3)
ASKED = [prompt.template.replace("{}", "sks cat") for prompt in PROMPTS]
SEEDS = [3] * len(ASKED)


def drawn_as(pipe, text):
    return drawn_in(pipe, parse_arm(text))


def drawn_in(pipe, arm):
    comparison = compare(pipe, CONCEPT, PROMPTS, [3], [arm], SETTINGS)
    return pixels(record.image for record in comparison.records)


@pytest.mark.parametrize(
    ("typed", "scales"),
    [
        ("lora:text=0.25", {"text_encoder": 0.25, "unet": 1.0}),
        ("lora:text=0.5,denoiser=0.5", {"text_encoder": 0.5, "unet": 0.5}),
        ("lora:denoiser=0", {"text_encoder": 1.0, "unet": 0.0}),
    ],
)
def test_a_lora_is_turned_down_as_diffusers_does_it(lora_pipe, typed, scales):
    drawn_in(lora_pipe, PERSONALISED)
    before = state_of(lora_pipe), everything(lora_pipe)
    ours = drawn_as(lora_pipe, typed)
    assert_same_state(before[0], state_of(lora_pipe))
    assert_same(before[1], everything(lora_pipe))
    for name, scale in scales.items():
        for module in getattr(lora_pipe, name).modules():
            if hasattr(module, "scale_layer"):
                module.set_scale("default", scale)
    assert np.array_equal(ours, pixels(generate(lora_pipe, ASKED, SEEDS, SETTINGS)))


def test_the_anchor_first_is_two_prompts_one_after_the_other(pipe):
    """By hand: the anchor's embeddings until the step, then the concept's."""
    ours = drawn_as(pipe, "switch:until=0.6")

    def by_hand(prompt):
        anchors, concepts = (encode(pipe, text) for text in (prompt.replace("sks cat", "cat"), prompt))

        def exchange(_, step, timestep, tensors):
            if (step + 1) / 2 >= 0.6:
                tensors["prompt_embeds"] = torch.cat([concepts[1], concepts[0]])
            return tensors

        return pipe(
            prompt_embeds=anchors[0],
            negative_prompt_embeds=anchors[1],
            num_inference_steps=3,
            generator=[torch.Generator("cpu").manual_seed(3)],
            callback_on_step_end=exchange,
            callback_on_step_end_tensor_inputs=["prompt_embeds"],
        ).images[0]

    # The twin is shorter by a word, so at the anchor's steps padding has one vector more than by hand.
    expected = pixels(by_hand(text) for text in ASKED)
    assert np.abs(ours.astype(int) - expected.astype(int)).mean() < 3
    assert np.array_equal(drawn_as(pipe, "switch:until=0"), pixels(generate(pipe, ASKED, SEEDS, SETTINGS)))


def test_a_lora_that_is_not_there_cannot_be_turned_down(pipe):
    with pytest.warns(UncollapseWarning, match=r"'text LoRA × 0' changes nothing in the text encoders"):
        drawn_as(pipe, "lora:text=0")


def test_a_lora_that_is_fused_cannot_be_turned_down(lora_pipe):
    lora_pipe.fuse_lora(components=["text_encoder"])
    with pytest.raises(PipelineError, match=r"'text LoRA × 0.5': an adapter is fused"):
        drawn_as(lora_pipe, "lora:text=0.5")


def test_scales_come_back_when_the_block_fails(lora_pipe):
    def fail():
        with adapters_scaled("test", [lora_pipe.unet], 0.5) as there:
            assert there
            raise KeyError

    before = everything(lora_pipe)
    with pytest.raises(KeyError):
        fail()
    assert_same(before, everything(lora_pipe))


def test_what_they_are_called_and_what_files_say_of_them():
    arms = [parse_arm(text) for text in ("lora:text=0", "lora:text=0.7,denoiser=0.7", "switch:until=0.3")]
    assert [arm.name for arm in arms] == ["text LoRA × 0", "LoRA × 0.7", "anchor for the first 30%"]
    assert all(arm.altered for arm in arms)
    assert not PERSONALISED.altered
    assert arms[0].as_json()["text_lora"] == 0
    assert "text_lora" not in PERSONALISED.as_json()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lora", "both 1"),
        ("lora:text=1,denoiser=1", "both 1"),
        ("lora:clip=0", "sets 'clip', but lora has only text, denoiser"),
        ("switch:until=2", "until=2 is out of range"),
        ("compel:times=-1", "times=-1 is out of range"),
        ("nothing", "'nothing' is none of tea, .*, lora, switch, compel"),
        ("released:rho=0.2", "says too little: .*'alpha'"),
    ],
)
def test_what_is_wrong_is_said(text, says):
    with pytest.raises(AdjustmentError, match=says):
        parse_arm(text)


def test_whoever_adds_a_way_can_ask_for_it():
    with as_it_was(WAYS):

        @way("strict")
        def strict(guidance: float = 3.0) -> Arm:
            return Arm(f"guidance {guidance:g}", call={"guidance_scale": guidance})

        assert parse_arm("strict:guidance=4").call == {"guidance_scale": 4.0}


def test_it_goes_together_with_an_adjustment(lora_pipe):
    both = Arm("both", uc.Adjustment(0.5, 1.0), text_lora=0.0)
    drawn = drawn_in(lora_pipe, both)
    plain = make_pipeline()
    add_lora(plain)
    with (
        adapters_scaled("test", [plain.text_encoder], 0.0),
        uc.apply(plain, "sks cat", anchor="cat", alpha=0.5, beta=1.0),
    ):
        assert np.array_equal(drawn, pixels(generate(plain, ASKED, SEEDS, SETTINGS)))


@pytest.mark.parametrize(
    ("typed", "settings", "name"),
    [
        ("tea:alpha=0.6,encoders=text_encoder", {"encoders": "text_encoder"}, "text_encoder alone"),
        ("tea:alpha=0.6,negative-encoder=base", {"negative_encoder": "base"}, "base negative"),
    ],
)
def test_an_adjuster_takes_what_a_concept_says_of_encoders(lora_pipe, typed, settings, name):
    arm = parse_arm(typed)
    assert arm.name == f"TEA α 0.6, {name}"
    assert parse_arm(typed_arm(arm)) == arm
    assert settings.items() <= arm.as_json().items()
    ours = drawn_in(lora_pipe, arm)
    with uc.apply(lora_pipe, "sks cat", anchor="cat", alpha=0.6, **settings):
        assert np.array_equal(ours, pixels(generate(lora_pipe, ASKED, SEEDS, SETTINGS)))


def test_what_a_concept_says_of_encoders_is_not_for_ways_without_an_adjuster():
    with pytest.raises(AdjustmentError, match="sets 'encoders', but lora has only text, denoiser"):
        parse_arm("lora:text=0,encoders=pooled")
    with pytest.raises(AdjustmentError, match="negative_encoder='me' is none of"):
        parse_arm("tea:negative_encoder=me")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("released:rho=0.2,alpha=0.1", "Released code ρ 0.2 α 0.1"),
        ("rescale:to=max", "Norm at the vocabulary's max"),
        ("subspace:rank=4,alpha=0/1/1", "Drift subspace 4 α 0/1/1"),
        ("decor:alpha=0.5", "DECOR α 0.5"),
        ("a1111:times=0.7", "A1111 weight 0.7"),
        ("lora:text=0.5", "text LoRA × 0.5"),
        ("switch:until=0.3", "anchor for the first 30%"),
        ("compel:times=0.7", "Compel weight 0.7"),
        (
            "comfyui:times=0.7,encoders=pooled,negative_encoder=base",
            "ComfyUI weight 0.7, pooled alone, base negative",
        ),
    ],
)
def test_every_way_is_typed_as_it_is_read(text, name):
    assert typed_arm(replace(parse_arm(text), name="under another name")) == text
    assert parse_arm(text).name == name


def test_what_has_no_name_is_not_typed():
    for arm in (
        replace(parse_arm("tea"), schedule=lambda progress: 0.5),
        replace(parse_arm("switch"), text_lora=0.5),
    ):
        with pytest.raises(AdjustmentError, match="has no name that a command knows"):
            typed_arm(arm)
