"""A seed is an image, however it is batched; settings reach the pipeline, defaults stay its own."""

import numpy as np
import pytest

from toys.pictures import picture
from uncollapse.errors import PipelineError, UncollapseWarning
from uncollapse.models.generation import GenerationSettings, generate

PROMPTS = ["a photo of a cat", "a dog in the snow", "a photo of a cat", "a hat"]
SEEDS = [0, 1, 2, 0]


def pixels(images):
    return np.stack([np.asarray(image, dtype=int) for image in images])


def test_batching_does_not_change_an_image(pipe):
    one, three = (
        pixels(generate(pipe, PROMPTS, SEEDS, GenerationSettings(num_inference_steps=2, batch_size=size)))
        for size in (1, 3)
    )
    assert np.abs(one - three).max() <= 1
    assert np.abs(one[0] - one[2]).max() > 1  # another seed is another image


def test_an_image_is_what_the_pipeline_draws_with_that_seed(pipe):
    import torch

    [image] = generate(pipe, ["a cat"], [5], GenerationSettings(num_inference_steps=2))
    plain = pipe("a cat", num_inference_steps=2, generator=torch.Generator().manual_seed(5)).images[0]
    assert np.array_equal(image, plain)


def test_settings_reach_the_pipeline_and_unset_ones_do_not():
    calls = []

    class Spy:
        def __call__(self, **arguments):
            calls.append(arguments)
            return type("Output", (), {"images": ["image"] * len(arguments["prompt"])})

    done = []
    settings = GenerationSettings(guidance_scale=0.0, negative_prompt="snow", batch_size=2)
    assert len(generate(Spy(), ["a", "b", "c"], [0, 1, 2], settings, done.append)) == 3
    assert [call["negative_prompt"] for call in calls] == [["snow", "snow"], ["snow"]]
    assert set(calls[0]) == {"prompt", "generator", "negative_prompt", "guidance_scale"}
    assert [generator.initial_seed() for generator in calls[0]["generator"]] == [0, 1]
    assert done == [2, 1]


def test_a_negative_prompt_is_accepted_for_a_batch(pipe):
    settings = GenerationSettings(num_inference_steps=1, negative_prompt="snow", height=16, width=32)
    assert generate(pipe, PROMPTS, SEEDS, settings)[0].size == (32, 16)


def test_what_a_pipeline_does_not_take_is_refused_and_what_it_rounds_is_said():
    class Rounding:
        def __call__(self, prompt, generator, width=8, height=8):
            return type("Output", (), {"images": [picture("red", width // 8 * 8)] * len(prompt)})

    with pytest.raises(PipelineError, match="Rounding takes no negative_prompt"):
        generate(Rounding(), PROMPTS, SEEDS, GenerationSettings(negative_prompt="snow"))
    with pytest.warns(UncollapseWarning, match="are 16×16 pixels"):
        generate(Rounding(), PROMPTS, SEEDS, GenerationSettings(width=20, height=16))


@pytest.mark.parametrize("name", ["num_inference_steps", "height", "width", "batch_size"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(PipelineError, match=name):
        GenerationSettings(**{name: 0})
    with pytest.raises(PipelineError, match="guidance_scale=inf: must be finite"):
        GenerationSettings(guidance_scale=float("inf"))
