"""An arm draws as it says, whatever kind it is, and is named as it is typed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

import uncollapse as uc
from toys.comparisons import CONCEPT, PROMPTS
from toys.pictures import pixels
from toys.registries import as_it_was
from uncollapse.adjusters import ADJUSTERS, Adjuster, registered
from uncollapse.comparison import BASE, PERSONALISED, Arm, compare, parse_arm, tea_arms, told_apart
from uncollapse.errors import AdjustmentError
from uncollapse.models.generation import GenerationSettings, generate

SETTINGS = GenerationSettings(num_inference_steps=2)
ASKED = [prompt.template.replace("{}", "sks cat") for prompt in PROMPTS]


@pytest.fixture
def blend():
    """An adjuster with settings of every type."""
    with as_it_was(ADJUSTERS):

        @registered
        @dataclass(frozen=True)
        class Blend(Adjuster):
            name: ClassVar[str] = "blend"
            title: ClassVar[str] = "Blend"

            weight: float = 0.5
            times: int = 1
            all_of_it: bool = True
            limit: float | None = None
            kind: str = "straight"

            def adjust(self, row, anchor, places):
                return row.lerp(anchor.to(row), self.weight).to(row.dtype)

        yield Blend


def arm_pixels(comparison, arm):
    return pixels(record.image for record in comparison.of(arm))


def drawn_by(pipe, settings=SETTINGS):
    """The same prompts and seed without any comparison."""
    return pixels(generate(pipe, ASKED, [3, 3], settings))


def test_an_arm_can_have_its_negative_prompt_encoded_by_the_base(lora_pipe):
    [usual] = tea_arms([0.6])
    apart = replace(usual, name="apart", negative_encoder="base")
    drawn = compare(lora_pipe, CONCEPT, PROMPTS, [3], [usual, apart], SETTINGS)
    with uc.apply(lora_pipe, "sks cat", anchor="cat", alpha=0.6, beta=1.5, negative_encoder="base"):
        expected = pixels(generate(lora_pipe, [r.prompt for r in drawn.of("apart")], [3, 3], SETTINGS))
    assert np.abs(arm_pixels(drawn, "apart") - expected).max() <= 1
    assert (arm_pixels(drawn, "apart") != arm_pixels(drawn, usual.name)).any()


def test_an_arm_may_call_the_pipeline_otherwise(lora_pipe):
    strict = Arm("guidance 3", call={"guidance_scale": 3.0, "negative_prompt": "a dog"})
    drawn = compare(lora_pipe, CONCEPT, PROMPTS, [3], [PERSONALISED, strict], SETTINGS)
    settings = GenerationSettings(num_inference_steps=2, guidance_scale=3.0, negative_prompt="a dog")
    assert np.array_equal(arm_pixels(drawn, "guidance 3"), drawn_by(lora_pipe, settings))
    assert strict.altered
    assert strict.title(CONCEPT) == "With guidance 3"
    assert strict.as_json()["call"] == {"guidance_scale": 3.0, "negative_prompt": "a dog"}


def test_an_arm_may_follow_a_schedule(lora_pipe):
    def late(progress):
        return 0.0 if progress == 0 else 1.0

    [usual] = tea_arms([0.6])
    drawn = compare(lora_pipe, CONCEPT, PROMPTS, [3], [replace(usual, schedule=late)], SETTINGS)
    with uc.apply(lora_pipe, replace(CONCEPT, alpha=0.6, beta=1.5), schedule=late):
        expected = drawn_by(lora_pipe)
    assert np.array_equal(arm_pixels(drawn, usual.name), expected)


def test_an_arm_of_another_kind_draws_in_its_own_way(lora_pipe, base_pipe):
    class Elsewhere(Arm):
        @contextmanager
        def drawing(self, pipe, concept, base=None) -> Iterator:
            yield base_pipe

    drawn = compare(lora_pipe, CONCEPT, PROMPTS, [3], [Elsewhere("elsewhere")], SETTINGS)
    assert np.array_equal(arm_pixels(drawn, "elsewhere"), drawn_by(base_pipe))


def test_another_adjuster_is_an_arm_by_its_name(lora_pipe, blend):
    arm = parse_arm("blend:weight=1")
    assert (arm.name, arm.way, arm.title(CONCEPT)) == ("Blend", "Blend", "With Blend")
    drawn = compare(lora_pipe, CONCEPT, PROMPTS, [3], [BASE, arm], SETTINGS)
    with uc.apply(lora_pipe, replace(CONCEPT, adjuster=blend(1.0))):
        expected = drawn_by(lora_pipe)
    assert np.array_equal(arm_pixels(drawn, "Blend"), expected)
    assert arm.as_json()["adjustment"]["adjuster"] == "blend"
    assert set(tea_arms([0.2])[0].as_json()["adjustment"]) == {"alpha", "beta", "norm_blend"}


def test_what_is_typed_is_read_by_the_types_of_the_settings(blend):
    assert parse_arm("tea").adjuster == uc.Adjustment()
    assert parse_arm(" tea : alpha = 0.6, norm-blend=0.5, beta=none").adjuster == uc.Adjustment(
        0.6, None, 0.5
    )
    typed = "blend:weight=1,times=3,all_of_it=false,limit=2,kind=curved"
    assert parse_arm(typed).adjuster == blend(1.0, 3, False, 2.0, "curved")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tae", "'tae' is none of tea, .*, blend"),
        ("", "is none of tea, .*, blend"),
        ("tea:alhpa=1", "sets 'alhpa', but tea has only alpha, beta, norm_blend, encoders, neg"),
        ("tea:alpha", "sets alpha to '', which is no number or CONCEPT/CONTEXT/REST"),
        ("tea:alpha=0/1", "sets alpha to '0/1', which is no number or CONCEPT/CONTEXT/REST"),
        ("tea:beta=big", "sets beta to 'big', which is no number or none"),
        ("tea:alpha=2", "alpha=2.0 is out of range"),
        ("blend:times=1.5", "which is no int"),
        ("blend:all_of_it=maybe", "which is no bool"),
    ],
)
def test_what_cannot_be_read_is_said(blend, text, words):
    with pytest.raises(AdjustmentError, match=words):
        parse_arm(text)


def test_namesakes_are_told_apart_and_twins_are_one():
    arms = told_apart([PERSONALISED, *map(parse_arm, ["tea", "tea:beta=1", "tea:alpha=0.2", "tea:beta=1"])])
    assert [arm.name for arm in arms] == ["personalised", "TEA α 0.2", "TEA α 0.2, beta 1"]
    assert arms[-1].adjuster.beta == 1
