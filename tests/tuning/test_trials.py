"""Tuning on a toy pipeline, with scores that are known beforehand."""

from dataclasses import replace

import pytest
import torch

from toys.comparisons import CONCEPT, PROMPTS
from toys.pipelines import add_token
from toys.states import assert_same, everything
from uncollapse.comparison import Album
from uncollapse.concept import Concept
from uncollapse.diagnosis.probe import ProbeSettings
from uncollapse.errors import PipelineError
from uncollapse.models.generation import GenerationSettings
from uncollapse.tuning import Candidate, Keep, TuneSettings, family, tune, tuning
from uncollapse.tuning.trials import _how_many, _worth_drawing

DRAWING = GenerationSettings(num_inference_steps=1, guidance_scale=1.0)
PROBE = ProbeSettings(seeds=(0,))
WAYS = ("tea:alpha=0.4,beta=1", "tea:alpha=0/1/1,beta=1", "lora:text=0", "lora:text=0.5", "lerp:alpha=0.5")
FEW = TuneSettings(pictures=40, rounds=2, ways=WAYS, probe=None)


class Known(Album):
    """Keeps which arm drew each picture, so that a measure can score it by that."""

    def __init__(self):
        super().__init__()
        self.arms = []

    def keep(self, image, arm, asked, prompt, seed):
        self.arms.append(arm.name)
        return super().keep(image, arm, asked, prompt, seed)


def scoring(album, scores):
    """A measure that gives each arm the (context, likeness) it is to have, or one of these a prompt."""
    seen = 0

    def measure(images, prompts):
        nonlocal seen
        arms, seen = album.arms[seen : seen + len(images)], seen + len(images)
        pairs = [scores[arm] for arm in arms]
        pairs = [pair[i % len(pair)] if isinstance(pair, list) else pair for i, pair in enumerate(pairs)]
        return [{"clip_t_context": context, "clip_i": likeness} for context, likeness in pairs]

    return [measure]


SCORES = {
    "base": (30.0, 10.0),
    "personalised": (10.0, 90.0),
    "TEA α 0.4": (14.0, 88.0),  # 20 % of the context, 97.5 % of the likeness
    "TEA α 0/1/1": (29.0, 82.0),  # 95, 90
    "text LoRA × 0": (30.0, 50.0),  # 100, 50
    "text LoRA × 0.5": (18.0, 90.0),  # 40, 100
    "LERP α 0.5": (12.0, 60.0),  # 10, 62.5
}


def tuned(pipe, settings=FEW, scores=SCORES, **more):
    album = Known()
    measures = scoring(album, scores)
    return tune(pipe, CONCEPT, PROMPTS, measures, settings, DRAWING, album=album, **more)


@pytest.mark.parametrize(
    ("wish", "best"),
    [
        ("balance", "tea:alpha=0/1/1,beta=1"),
        ("likeness 95%", "lora:text=0.5"),
        ("likeness 90%", "tea:alpha=0/1/1,beta=1"),
        ("context 100%", "lora:text=0"),
    ],
)
def test_the_wish_chooses(lora_pipe, wish, best):
    found = tuned(lora_pipe, replace(FEW, keep=Keep.parsed(wish)))
    assert found.chosen.way == best
    assert found.preset.way == best
    assert found.preset.measured["keep"] == wish
    assert found.says == ""


def test_figures_are_shares_between_the_two_models(lora_pipe):
    found = {each.way: each for each in tuned(lora_pipe).candidates}
    by_role = found["tea:alpha=0/1/1,beta=1"]
    assert (by_role.context, by_role.likeness) == (pytest.approx(0.95), pytest.approx(0.9))
    half = found["lora:text=0.5"]
    assert (half.context, half.likeness) == (pytest.approx(0.4), pytest.approx(1.0))


def test_the_worse_half_draws_no_more_and_the_budget_is_kept(lora_pipe):
    drawn = []
    found = tuned(lora_pipe, on_step=lambda what, count: drawn.append((what, count)))
    assert sorted(each.pictures for each in found.candidates) == [2, 2, 4, 4, 4]
    assert found.drawn == sum(count for what, count in drawn if what == "drawn") <= FEW.pictures
    assert [comparison.seeds for comparison in found.comparisons] == [(0,), (1,)]
    assert [arm.name for arm in found.comparisons[1].arms][:1] == ["personalised"]


def test_the_pipeline_is_as_it_was(lora_pipe):
    before = everything(lora_pipe)
    tuned(lora_pipe, replace(FEW, rounds=1))
    assert_same(before, everything(lora_pipe))


def test_whoever_is_interrupted_has_the_rounds_before(lora_pipe):
    album = Known()
    rounds = tuning(lora_pipe, CONCEPT, PROMPTS, scoring(album, SCORES), FEW, DRAWING, album=album)
    first = next(rounds)
    assert first.chosen.way == "tea:alpha=0/1/1,beta=1"
    assert first.chosen.pictures == 2


def test_of_those_that_pictures_do_not_tell_apart_the_first_of_the_family_is_taken(lora_pipe):
    uneven = {  # on the second prompt the likeness of the one, on the first that of the other
        "TEA α 0/1/1": [(29.0, 84.0), (29.0, 80.0)],
        "LERP α 0.5": [(29.0, 79.0), (29.0, 86.0)],
    }
    found = tuned(lora_pipe, replace(FEW, rounds=1), SCORES | uneven)
    assert found.chosen.way == "tea:alpha=0/1/1,beta=1"
    assert {each.way for each in found.candidates if each.close} == {
        "tea:alpha=0/1/1,beta=1",
        "lerp:alpha=0.5",
    }
    turned = replace(FEW, rounds=1, ways=tuple(reversed(WAYS)))
    assert tuned(lora_pipe, turned, SCORES | uneven).chosen.way == "lerp:alpha=0.5"
    told = {"LERP α 0.5": [(29.0, 88.0), (29.0, 84.0)]}
    assert tuned(lora_pipe, replace(FEW, rounds=1), SCORES | uneven | told).chosen.way == "lerp:alpha=0.5"


def test_a_wish_that_is_granted_goes_before_what_is_close_to_it(lora_pipe):
    uneven = {"TEA α 0/1/1": [(29.0, 84.0), (29.0, 82.0)], "LERP α 0.5": [(29.0, 81.0), (29.0, 84.0)]}
    wish = replace(FEW, rounds=1, keep=Keep.parsed("likeness 91%"), ways=("lerp:alpha=0.5", *WAYS[:4]))
    assert tuned(lora_pipe, wish, SCORES | uneven).chosen.way == "tea:alpha=0/1/1,beta=1"


def test_a_concept_that_keeps_its_context_is_left_alone(lora_pipe):
    found = tuned(lora_pipe, scores=SCORES | {"personalised": (29.9, 90.0)})
    assert "(CLIP-T context 29.9 and 30.0): there is nothing to tune" in found.says
    assert found.chosen is found.preset is None
    assert len(found.comparisons) == 1


def test_photos_of_something_else_are_noticed(lora_pipe):
    with pytest.raises(PipelineError, match=r"no more like.*\(CLIP-I photos 90.0 and 89.0\)"):
        tuned(lora_pipe, scores=SCORES | {"base": (30.0, 89.0)})


def test_a_missing_score_is_named(lora_pipe):
    def only_context(images, prompts):
        return [{"clip_t_context": float(i)} for i in range(len(images))]

    with pytest.raises(PipelineError, match="nothing measures the likeness"):
        tune(lora_pipe, CONCEPT, PROMPTS, [only_context], FEW, DRAWING)


def test_a_model_without_its_base_cannot_be_tuned(pipe, base_pipe):
    with pytest.raises(PipelineError, match="the model itself is personalised"):
        tuned(pipe)


def test_too_few_pictures_are_refused_with_how_many_it_takes(lora_pipe):
    with pytest.raises(PipelineError, match=r"9 pictures are too few for 2 prompts and 2 rounds.*need 14"):
        tuned(lora_pipe, replace(FEW, pictures=9))


@pytest.mark.parametrize("pictures", range(14, 80))
def test_as_many_go_on_as_the_pictures_suffice_for(pictures):
    settings = TuneSettings(pictures=pictures, rounds=2)

    def cost(ways):
        return 2 * (1 + 2 + ways + max(2, -(-ways // 2)))

    ways = _how_many(settings, prompts=2)
    assert cost(ways) <= pictures
    assert ways == 20 or cost(ways + 1) > pictures


def test_the_denoiser_is_asked_before_anything_is_drawn(lora_pipe):
    asked = []
    settings = replace(FEW, probe=PROBE, rounds=1, pictures=12)
    found = tuned(lora_pipe, settings, on_step=lambda what, count: asked.append(what))
    assert asked[: len(WAYS)] == ["asked"] * len(WAYS)
    assert all(each.heard is not None for each in found.candidates)
    assert sum(each.pictures > 0 for each in found.candidates) < len(WAYS)
    assert found.drawn <= 12


def heard(**figures):
    """Candidates by their way, each with (heard, presence)."""
    return [Candidate(WAY[name], *pair) for name, pair in figures.items()]


WAY = {
    "a": "tea:alpha=0/1/1",
    "b": "tea:alpha=0.6",
    "c": "tea:alpha=0.2",
    "d": "lora:text=0",
    "u": "lora:denoiser=0.6",
}
NAME = {way: name for name, way in WAY.items()}


@pytest.mark.parametrize(
    ("figures", "count", "drawn"),
    [
        (
            dict(a=(0.9, 0.1), b=(0.7, 0.5), c=(0.2, 0.9), d=(0.8, 0.3)),
            2,
            "ab",
        ),  # the first, whatever it leaves
        (dict(a=(0.9, 0.1), b=(0.7, 0.5), c=(0.2, 0.9), d=(0.8, 0.3)), 9, "abd"),
        (dict(c=(0.2, 0.9), a=(0.9, 0.1)), 9, "ac"),
        (
            dict(a=(0.1, 0.9), b=(0.3, 0.8), c=(0.2, 0.9), u=(0.5, 0.4)),
            9,
            "bcu",
        ),  # the text does not reach it
        (dict(a=(0.1, 0.9), b=(0.3, 0.8), c=(0.2, 0.9), u=(0.8, 0.4)), 9, "bcu"),
    ],
)
def test_what_is_worth_a_picture(figures, count, drawn):
    assert "".join(NAME[each.way] for each in _worth_drawing(heard(**figures), count)) == drawn


def test_what_is_tried_depends_on_where_the_concept_is(pipe, lora_pipe):
    add_token(pipe, "<t>", torch.ones(1, 32))
    assert all(way.startswith("tea:") for way in family(pipe, Concept("<t>", "cat")))
    ways = family(lora_pipe, CONCEPT)
    assert {"lora:text=0", "lora:denoiser=0.8", "tea:alpha=0/1/1,beta=1"} <= set(ways)
    lora_pipe.text_encoder.disable_adapters()
    assert not any(way.startswith("lora:text") for way in family(lora_pipe, CONCEPT))
    lora_pipe.unet.disable_adapters()
    assert not any(way.startswith("lora") for way in family(lora_pipe, CONCEPT))
