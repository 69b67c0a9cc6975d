"""The world: deterministic, held-out combinations kept apart, captions true to their pictures."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncollapse.miniature.judge import COLOUR_HEADS, HEADS, UNSEEN, in_palette_order, labels
from uncollapse.miniature.pool import held_out_scene, training_chances, training_scene
from uncollapse.miniature.world import (
    ACCESSORIES,
    COLOURS,
    PATTERNS,
    PLACES,
    STYLES,
    SUBJECTS,
    Scene,
    describe,
    foreground,
    is_held_out,
    render,
)

SCENE = Scene("cat", "red", "snow", seed=5)


def picture(**changes) -> np.ndarray:
    return np.asarray(render(Scene(**{**SCENE.__dict__, **changes})), np.int16)


def test_a_scene_always_gives_the_same_pixels():
    assert np.array_equal(picture(), picture())
    assert picture().shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        ("subject", SUBJECTS),
        ("colour", COLOURS),
        ("place", PLACES),
        ("style", STYLES),
        ("accessory", ACCESSORIES),
    ],
)
def test_every_value_of_an_attribute_looks_different(attribute, values):
    pictures = [picture(**{attribute: value}) for value in values]
    for i, first in enumerate(pictures):
        for second in pictures[:i]:
            assert np.abs(first - second).max() > 40


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_paints_part_of_the_body_in_its_colour(pattern):
    changed = np.abs(picture(pattern=pattern, pattern_colour="green") - picture()).max(-1) > 40
    assert 0.01 < changed.mean() < 0.2


def test_a_tidy_scene_faces_one_way_with_the_second_subject_on_the_right():
    """Told by where a red cat and a blue car are, over many layouts."""
    for seed in range(12):
        drawn = picture(second="car", second_colour="blue", seed=seed, tidy=True)
        without = picture(second="car", second_colour="green", seed=seed, tidy=True)
        columns = np.nonzero(np.abs(drawn - without).max((0, 2)) > 40)[0]
        assert 32 < columns.mean() < 64
    facing = [picture(subject="fish", seed=seed, tidy=True) for seed in range(12)]
    assert np.abs(facing[0] - np.mean(facing, 0)).mean() < 12
    assert np.array_equal(picture(tidy=False), picture())


@pytest.mark.parametrize(
    "changes", [{}, {"accessory": "balloon"}, {"second": "car", "second_colour": "blue"}]
)
def test_the_foreground_is_what_changes_with_the_things_in_the_scene(changes):
    """Outside it, no pixel tells whether the cat is red or green, or what it holds."""
    scene = replace(SCENE, **changes)
    shown = foreground(scene)
    assert shown.shape == (64, 64)
    assert 0.05 < shown.mean() < 0.5
    recoloured = np.abs(picture(**changes) - picture(**{**changes, "colour": "green"})).max(-1)
    assert recoloured[shown == 0].max() == 0
    assert recoloured[shown == 1].max() > 40


def test_training_looks_more_often_where_there_is_more_to_learn():
    chances = training_chances(300)
    plain = {"second": None, "accessory": None, "pattern": None}
    for name in ("second", "accessory", "pattern"):
        others = {other for other in plain if other != name}
        scenes = [(training_scene(i), chance) for i, chance in enumerate(chances.tolist())]
        alike = [(s, c) for s, c in scenes if all(getattr(s, other) is None for other in others)]
        with_it = [c for s, c in alike if getattr(s, name)]
        assert min(with_it) > max(c for s, c in alike if not getattr(s, name))


def test_the_layout_follows_the_seed():
    assert np.abs(picture(seed=1) - picture(seed=2)).mean() > 5


@given(st.integers(0, 10**6))
def test_held_out_combinations_never_occur_in_training(index):
    assert not is_held_out(training_scene(index))
    assert is_held_out(held_out_scene(index))


def test_usual_company_is_kept():
    scenes = [training_scene(i) for i in range(3000)]
    fish = [s.place for s in scenes if s.subject == "fish"]
    assert 0.4 < fish.count("ocean") / len(fish) < 0.7
    assert len(set(fish)) == len(PLACES)


@given(st.integers(0, 10**6))
def test_a_complete_caption_names_everything_and_nothing_else(index):
    scene = held_out_scene(index)
    words = describe(scene).replace(",", "").split()
    assert SUBJECTS[scene.subject][0] in words
    assert PLACES[scene.place][0] in describe(scene)
    for accessory, ways in ACCESSORIES.items():
        assert (ways[0] in describe(scene)) == (scene.accessory == accessory)
    colourless = scene.style in ("sketch", "blueprint")
    assert (scene.colour in words) != colourless
    assert (scene.second is None) or SUBJECTS[scene.second][0] in words


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_caption_never_names_a_place_or_subject_that_is_not_there(index, seed):
    scene = training_scene(index)
    caption = describe(scene, random.Random(seed))
    for place, ways in PLACES.items():
        assert place == scene.place or not any(way in caption for way in ways)
    for subject, ways in SUBJECTS.items():
        named = any(f" {way} " in f" {caption.replace(',', '')} " for way in ways)
        assert subject in (scene.subject, scene.second) or not named


def test_captions_vary():
    captions = {describe(training_scene(0), random.Random(i)) for i in range(40)}
    assert len(captions) > 10


def test_two_tone_colours_have_one_order_and_other_patterns_keep_theirs():
    one = Scene("car", "blue", "snow", pattern="two-tone", pattern_colour="red")
    other = Scene("car", "red", "snow", pattern="two-tone", pattern_colour="blue")
    assert in_palette_order(one) == in_palette_order(other) == other
    spotted = Scene("car", "blue", "snow", pattern="spotted", pattern_colour="red")
    assert in_palette_order(spotted) == spotted


def test_labels_leave_out_what_a_style_does_not_show():
    truth = labels([Scene("cat", "red", "snow", style="sketch"), SCENE])
    for name in HEADS:
        assert (truth[name][0] == UNSEEN) == (name in COLOUR_HEADS)
    assert HEADS["place"][truth["place"][1]] == "snow"
