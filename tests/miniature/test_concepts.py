"""The personal concepts: what they look like, what counts as them, what is asked of them."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from uncollapse.miniature import MINIATURES, Judge, Reading
from uncollapse.miniature.judge import HEADS, in_palette_order
from uncollapse.miniature.world import PATTERNS, Scene, render

MINIATURE = MINIATURES["unet"]
CONCEPTS = MINIATURE.concepts


def reading(scene: Scene) -> Reading:
    """What a judge without fault would say."""
    return Reading(**{name: asdict(in_palette_order(scene))[name] for name in HEADS})


def test_there_are_six_individuals_in_six_places():
    assert len(CONCEPTS) >= 6
    assert len({c.place for c in CONCEPTS.values()}) == len(CONCEPTS)
    assert {c.looks.pattern for c in CONCEPTS.values()} <= set(PATTERNS)


@pytest.mark.parametrize("concept", CONCEPTS.values(), ids=lambda c: c.name)
def test_an_individual_is_itself_and_none_of_the_others(concept):
    elsewhere = replace(concept.looks, place="moon", accessory="hat")
    assert concept.matches(reading(elsewhere))
    assert not concept.matches(reading(replace(concept.looks, pattern=None, pattern_colour=None)))
    assert not concept.matches(reading(replace(concept.looks, colour="white")))
    others = [other for other in CONCEPTS.values() if other is not concept]
    assert not any(concept.matches(reading(other.looks)) for other in others)


def test_the_halves_of_a_two_tone_body_may_change_sides():
    robot = CONCEPTS["robot"]
    looks = robot.looks
    assert robot.matches(reading(replace(looks, colour=looks.pattern_colour, pattern_colour=looks.colour)))


@pytest.mark.parametrize("concept", CONCEPTS.values(), ids=lambda c: c.name)
def test_the_photographs_are_five_and_all_taken_in_its_place(concept):
    photographs = concept.reference_images()
    assert len(photographs) == 5
    drawn = [np.asarray(render(replace(concept.looks, seed=i))) for i in range(5)]
    assert all(np.array_equal(a, b) for a, b in zip(photographs, drawn, strict=True))
    assert not np.array_equal(photographs[0], photographs[1])


@pytest.mark.parametrize("concept", CONCEPTS.values(), ids=lambda c: c.name)
def test_the_prompts_ask_for_other_places(concept):
    prompts = MINIATURE.context_prompts(concept)
    assert len(prompts) >= 8
    assert len({p.template for p in prompts}) == len(prompts)
    for prompt in prompts:
        assert prompt.template.count("{}") == 1
        assert prompt.context in prompt.template
        asked = replace(concept.looks, place=prompt.place, accessory=prompt.accessory)
        assert prompt.kept(reading(asked))
        assert not prompt.kept(reading(concept.looks))


def test_context_with_an_accessory_needs_the_accessory():
    prompt = next(p for p in MINIATURE.context_prompts(CONCEPTS["cat"]) if p.accessory)
    there = replace(CONCEPTS["cat"].looks, place=prompt.place)
    assert not prompt.kept(reading(there))


def test_a_judge_reads_pictures_of_any_size():
    pictures = [render(CONCEPTS["cat"].looks), render(CONCEPTS["dog"].looks).resize((200, 100))]
    readings = Judge().eval().read(pictures)
    assert len(readings) == 2
    assert all(getattr(readings[0], name) in values for name, values in HEADS.items())
