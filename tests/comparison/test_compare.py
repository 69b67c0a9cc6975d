"""Arms differ in what they say they differ in, and in nothing else; the pipeline comes back as it was."""

import numpy as np
import pytest

import uncollapse as uc
from toys.comparisons import CONCEPT, PROMPTS
from toys.pictures import pixels
from toys.states import assert_same_state, state_of
from uncollapse.comparison import BASE, PERSONALISED, compare, tea_arms
from uncollapse.metrics import Share, Spread
from uncollapse.models.generation import GenerationSettings, generate

SETTINGS = GenerationSettings(num_inference_steps=2)


def arm_pixels(comparison, arm):
    return pixels(record.image for record in comparison.of(arm))


@pytest.fixture
def comparison(lora_pipe):
    return compare(lora_pipe, CONCEPT, PROMPTS, [3, 4], [BASE, PERSONALISED, *tea_arms([0.2, 0.6])], SETTINGS)


def test_one_record_for_each_arm_prompt_and_seed(comparison):
    assert [(r.arm, r.prompt, r.seed) for r in comparison.records][:5] == [
        ("base", "a photo of cat in the snow", 3),
        ("base", "a photo of cat in the snow", 4),
        ("base", "cat on the beach", 3),
        ("base", "cat on the beach", 4),
        ("personalised", "a photo of sks cat in the snow", 3),
    ]
    assert len(comparison.records) == 4 * 2 * 2
    assert {r.context for r in comparison.of("TEA α 0.2")} == {"in the snow", "on the beach"}


def test_the_base_arm_is_the_model_without_its_adapters(comparison, base_pipe):
    asked = [record.prompt for record in comparison.of("base")]
    assert (
        np.abs(
            arm_pixels(comparison, "base") - pixels(generate(base_pipe, asked, [3, 4, 3, 4], SETTINGS))
        ).max()
        <= 1
    )


def test_the_other_arms_are_the_pipeline_as_given_and_adjusted(comparison, lora_pipe):
    asked = [record.prompt for record in comparison.of("personalised")]
    plain = pixels(generate(lora_pipe, asked, [3, 4, 3, 4], SETTINGS))
    with uc.apply(lora_pipe, "sks cat", anchor="cat", alpha=0.6, beta=1.5):
        adjusted = pixels(generate(lora_pipe, asked, [3, 4, 3, 4], SETTINGS))
    assert np.array_equal(arm_pixels(comparison, "personalised"), plain)
    assert np.array_equal(arm_pixels(comparison, "TEA α 0.6"), adjusted)
    assert np.abs(adjusted - plain).max() > 1


def test_no_adjustment_is_no_difference(lora_pipe):
    [arm] = tea_arms([0.0], beta=None)
    same = compare(lora_pipe, CONCEPT, PROMPTS, [0], [PERSONALISED, arm], SETTINGS)
    assert np.array_equal(arm_pixels(same, "personalised"), arm_pixels(same, arm.name))


def test_the_pipeline_is_left_as_it_was_even_when_drawing_fails(lora_pipe):
    generate(lora_pipe, ["a cat"], [0], SETTINGS)  # a pipeline notes its last call's settings
    before = state_of(lora_pipe)

    def fail(count):
        raise KeyboardInterrupt

    for arm in (BASE, *tea_arms([0.2])):
        with pytest.raises(KeyboardInterrupt):
            compare(lora_pipe, CONCEPT, PROMPTS, [0], [arm], SETTINGS, on_images=fail)
        assert_same_state(before, state_of(lora_pipe))


def test_measures_are_merged_and_summed_up_by_kind(lora_pipe):
    def kept(images, prompts):
        return [{"context_kept": "snow" in prompt.context} for prompt in prompts]

    def score(images, prompts):
        return [{"clip_i": float(i)} for i, _ in enumerate(images)]

    summary = compare(
        lora_pipe, CONCEPT, PROMPTS, [0, 1], [PERSONALISED], SETTINGS, measures=[kept, score]
    ).summary("personalised")
    assert isinstance(summary["context_kept"], Share)
    assert (summary["context_kept"].kept, summary["context_kept"].total) == (2, 4)
    assert isinstance(summary["clip_i"], Spread)
    assert (summary["clip_i"].mean, summary["clip_i"].seeds) == (1.5, 2)
