"""A concept is checked when it is made."""

import dataclasses

import pytest

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


def test_a_concept_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Concept("sks dog", "dog").level = "token"
