"""A concept is checked when it is made."""

import dataclasses

import pytest

from toys.adjusters import Projection, Weighting
from uncollapse import Adjustment, Concept
from uncollapse.errors import AdjustmentError, AnchorError, PlaceholderError


def test_defaults():
    concept = Concept("sks dog", "dog")
    assert concept.adjuster == Adjustment(alpha=0.2, beta=1.5)
    assert (concept.level, concept.anchor_encoder) == ("auto", "base")
    assert dataclasses.replace(concept, alpha=0.5).adjuster.alpha == 0.5


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"placeholder": " "}, PlaceholderError, "empty"),
        ({"placeholder": None}, PlaceholderError, "empty"),
        ({"anchor": ""}, AnchorError, "nothing to move toward"),
        ({"anchor": "sks dog"}, AnchorError, "toward itself"),
        ({"alpha": 2}, AdjustmentError, "alpha=2"),
        ({"norm_blend": 0.5}, AdjustmentError, "beta=None"),
        ({"level": "prompts"}, AdjustmentError, "'prompts' is none of 'auto', 'token', 'prompt'"),
        ({"anchor_encoder": "own"}, AdjustmentError, "'own' is none of"),
        ({"negative_encoder": "own"}, AdjustmentError, "'own' is none of"),
        ({"negative_encoder": "base", "anchor_encoder": "tuned"}, AdjustmentError, "goes with"),
    ],
)
def test_bad_concepts_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        Concept(**{"placeholder": "sks dog", "anchor": "dog", **settings})


def test_settings_beside_an_adjuster_take_the_place_of_its_own():
    concept = Concept("sks dog", "dog", alpha=0.4, adjuster=Adjustment(alpha=0.1, beta=2))
    assert concept.adjuster == Adjustment(alpha=0.4, beta=2)
    other = dataclasses.replace(concept, adjuster=Weighting(3.0))
    assert (other.adjuster, other.anchor) == (Weighting(3.0), "dog")
    with pytest.raises(AdjustmentError, match=r"Weighting has no alpha and no beta.*Weighting\(…\)"):
        Concept("sks dog", "dog", alpha=0.4, beta=None, adjuster=Weighting())


def test_an_adjuster_is_used_at_its_own_levels():
    assert Concept("sks dog", "dog", adjuster=Projection(), level="prompt").level == "prompt"
    with pytest.raises(
        AdjustmentError, match=r"Projection is not meant for the token level, only for prompt"
    ):
        Concept("sks dog", "dog", adjuster=Projection(), level="token")


def test_a_concept_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Concept("sks dog", "dog").level = "token"


@pytest.mark.parametrize("encoders", ["", "clip_l+", "+", None, ["clip_l"]])
def test_encoders_are_names_with_a_plus_between_them(encoders):
    with pytest.raises(AdjustmentError, match=r"encoders=.*names no encoders"):
        Concept("sks cat", "cat", encoders=encoders)
