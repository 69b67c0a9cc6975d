"""The words follow the numbers, whichever way those go."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from toys.comparisons import made_up
from toys.registries import as_it_was
from uncollapse.adjusters import Adjuster
from uncollapse.comparison import Arm
from uncollapse.comparison.summary import as_json, headline, sentence, table
from uncollapse.metrics import SCORES, Score, declare

CURED = {"base": (10, 0), "personalised": (2, 9), "TEA α 0.2": (5, 9), "TEA α 0.4": (8, 7)}


def test_the_sentence_says_what_was_lost_regained_and_paid():
    assert sentence(made_up(CURED)) == (
        "The personalised model keeps the asked-for context in 20% of its images (base model 100%) "
        "and the likeness in 90%; "
        "with TEA α 0.2 the context rises to 50% (+30 points) and the likeness stays at 90%; "
        "with TEA α 0.4 the context rises to 80% (+60 points) and the likeness falls to 70% (−20 points)."
    )


def test_worse_is_called_worse():
    text = sentence(made_up({"base": (10, 0), "personalised": (6, 9), "TEA α 0.2": (3, 10)}))
    assert "the context falls to 30% (−30 points) and the likeness rises to 100% (+10 points)" in text


def test_without_a_judge_clip_is_quoted_and_without_either_nothing_is_claimed():
    scores = {"personalised": (19.37, 63.3), "TEA α 0.2": (19.88, 63.31)}
    assert sentence(made_up(clip=scores)) == (
        "The personalised model scores a CLIP-T for the context of 19.4 and a CLIP-I likeness of 63.3; "
        "with TEA α 0.2 the context rises to 19.9 (+0.5 points) and the likeness stays at 63.3."
    )
    assert "not measured" in sentence(made_up())


def test_without_an_adjustment_nothing_is_said_of_one():
    comparison = made_up({"base": (10, 0), "personalised": (2, 9)})
    assert sentence(comparison) == (
        "The personalised model keeps the asked-for context in 20% of its images (base model 100%) and the "
        "likeness in 90%."
    )
    assert "sks cat" in headline(comparison)
    assert "TEA" not in headline(comparison)


def test_the_headline_claims_no_more_than_the_figures():
    assert "brings it back" in headline(made_up(CURED))
    assert "does not bring" in headline(
        made_up({"base": (10, 0), "personalised": (2, 9), "TEA α 0.2": (2, 9)})
    )
    healthy = {"base": (10, 0), "personalised": (9, 9), "TEA α 0.2": (10, 9)}
    for comparison in (
        made_up(healthy),
        made_up(clip={"personalised": (1, 1), "TEA α 0.2": (9, 9)}),
        made_up(),
    ):
        assert "forgets" not in headline(comparison)


def test_the_table_has_a_row_an_arm_and_only_measured_columns():
    found = table(made_up(CURED))
    assert found.head == ["", "context kept", "likeness kept"]
    assert [row[0] for row in found.rows] == [
        "Base model, “cat”",
        "Personalised, “sks cat”",
        "With TEA α 0.2",
        "With TEA α 0.4",
    ]
    assert found.rows[1][1].startswith("20% [")
    assert "5 prompts × 2 seeds = 10 images a row" in found.notes[0]
    assert table(made_up()).head == [""]


def test_the_json_is_standard_and_complete():
    text = json.dumps(as_json(made_up(CURED), run={"model": "m"}), allow_nan=False)
    data = json.loads(text)
    assert data["run"] == {"model": "m"}
    assert len(data["records"]) == 40
    assert data["records"][0] == {
        "arm": "base",
        "prompt": "a photo of x in scene 0",
        "context": "in scene 0",
        "seed": 0,
        "context_kept": True,
        "identity_kept": False,
    }
    arm = data["arms"][2]
    assert (arm["adjustment"]["alpha"], arm["scores"]["context_kept"]["percent"]) == (0.2, 50)
    assert data["sentence"] == sentence(made_up(CURED))


@dataclass(frozen=True)
class Other(Adjuster):
    name: ClassVar[str] = "other"
    title: ClassVar[str] = "Other"

    strength: float = 0.5

    def adjust(self, row, anchor, places):
        return row


def test_another_adjuster_is_called_by_its_name():
    made = made_up({"base": (10, 0), "personalised": (2, 9), "TEA α 0.2": (8, 9)})
    arm = Arm("TEA α 0.2", Other())  # under the name that the records have
    other = replace(made, arms=(*made.arms[:2], arm))
    assert headline(other).endswith("; Other brings it back")
    both = replace(made, arms=(*made.arms, arm))
    assert headline(both).endswith("; TEA or Other brings it back")
    assert as_json(other)["arms"][2]["adjustment"] == {"adjuster": "other", "strength": 0.5}


def test_how_far_the_concept_was_moved_is_said_by_the_arms_alone():
    names = ["placeholder", "anchor", "level", "anchor_encoder", "negative_encoder", "encoders"]
    assert list(as_json(made_up(CURED))["concept"]) == names


@pytest.fixture
def _own_scores():
    with as_it_was(SCORES):
        declare(Score("warmth", "warmth", "kelvin", answers="quality", decimals=2))
        declare(Score("distance", "distance", "0 to 1", answers="likeness", higher_is_better=False))
        yield


def scored(made, **scores):
    """The same with further scores: by name and arm, equal for all pictures."""

    def more(record):
        return record.scores | {name: of[record.arm] for name, of in scores.items()}

    return replace(made, records=tuple(replace(each, scores=more(each)) for each in made.records))


@pytest.mark.usefixtures("_own_scores")
def test_a_score_of_ones_own_is_told_where_nothing_better_answers():
    warmth = {"base": 3.0, "personalised": 1.0, "TEA α 0.2": 2.25}
    distance = {"base": 0.1, "personalised": 0.5, "TEA α 0.2": 0.5}
    assert sentence(scored(made_up(), warmth=warmth)) == (
        "The personalised model scores 1.00 for warmth (base model 3.00); "
        "with TEA α 0.2 the warmth rises to 2.25 (+1.25 points)."
    )
    both = scored(made_up(), warmth=warmth, distance=distance)
    assert sentence(both) == (
        "The personalised model scores 0.5 for distance (base model 0.1); "
        "with TEA α 0.2 the likeness stays at 0.5."
    )
    assert table(both).head == ["", "warmth", "distance"]
    assert table(both).rows[1][1] == "1.00 ± 0.00"
    assert table(both).notes[0].endswith(" warmth: kelvin. distance: 0 to 1, lower is better.")
    judged = made_up(dict.fromkeys(warmth, (2, 9)))
    assert sentence(scored(judged, warmth=warmth, distance=distance)) == sentence(judged)
