"""Each score is what the formula gives for the text it is named for."""

import numpy as np
import pytest
from PIL import Image

from toys.clip import make_clip
from toys.miniature import FakePrompt, Reading
from toys.pictures import SIZE, picture
from uncollapse.comparison import clip_measure, judge_measure, middle_measure
from uncollapse.metrics import SCORES, ClipScorer, Preprocessing, clip_i, clip_t

PROMPTS = [
    FakePrompt("a photo of {} in the snow", "in the snow"),
    FakePrompt("{} on the beach", "on the beach"),
]
IMAGES = [picture("red"), picture("blue")]


@pytest.fixture
def scorer():
    return ClipScorer(*make_clip(), Preprocessing(SIZE, SIZE))


def test_the_three_texts_and_the_photos(scorer):
    photos = [picture("purple"), picture("green")]
    scores = clip_measure(scorer, "cat", photos)(IMAGES, PROMPTS)
    features = scorer.image_features(IMAGES)
    texts = {
        "clip_t_context": ["in the snow", "on the beach"],
        "clip_t_concept": ["cat", "cat"],
        "clip_t_full": ["a photo of cat in the snow", "cat on the beach"],
    }
    for name, of in texts.items():
        expected = clip_t(features, scorer.text_features(of)).tolist()
        assert [score[name] for score in scores] == pytest.approx(expected, abs=1e-3)
    expected = clip_i(features, scorer.image_features(photos)).tolist()
    assert [score["clip_i"] for score in scores] == pytest.approx(expected, abs=1e-3)


def test_the_middle_is_half_as_wide_and_half_as_high(scorer):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 48, 3), dtype=np.uint8)
    elsewhere = pixels.copy()
    elsewhere[1, 10:30, 12:36] = pixels[0, 10:30, 12:36]
    photo, same_middle = (Image.fromarray(each) for each in (pixels[0], elsewhere[1]))
    other = Image.fromarray(pixels[1])
    measure = middle_measure(scorer, [photo])
    same, differs = (each["clip_i_middle"] for each in measure([same_middle, other], PROMPTS))
    assert same == pytest.approx(100, abs=1e-3)
    cut = [Image.fromarray(each[10:30, 12:36]) for each in (pixels[1], pixels[0])]
    expected = clip_i(*(scorer.image_features([each]) for each in cut)).item()
    assert differs == pytest.approx(expected, abs=1e-3) != same


def test_without_photos_there_is_no_clip_i(scorer):
    assert "clip_i" not in clip_measure(scorer, "cat")(IMAGES, PROMPTS)[0]


def test_the_prompt_decides_on_context_and_the_concept_on_identity():
    measure = judge_measure(
        lambda images: [Reading(0.45), Reading(0.9)], lambda reading: reading.brightness < 0.5
    )
    assert measure(IMAGES, PROMPTS) == [
        {"context_kept": False, "identity_kept": True},
        {"context_kept": True, "identity_kept": False},
    ]


def test_every_score_is_declared(scorer):
    scores = clip_measure(scorer, "cat", IMAGES)(IMAGES, PROMPTS)[0]
    middle = middle_measure(scorer, IMAGES)(IMAGES, PROMPTS)[0]
    assert {*scores, *middle, "context_kept", "identity_kept"} <= set(SCORES)
