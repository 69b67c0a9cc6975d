"""What is declared with the least words is worded all the same."""

import pytest

from toys.registries import as_it_was
from uncollapse.metrics import SCORES, Score, declare, share, spread_over_seeds
from uncollapse.metrics.scores import first_that_answers, present


@pytest.fixture(autouse=True)
def _own_scores():
    with as_it_was(SCORES):
        yield


def test_a_score_needs_no_more_than_a_name_a_title_a_unit_and_a_question():
    score = Score("warmth", "warmth", "kelvin", answers="quality")
    assert (score.paper_title, score.badge, score.foot) == ("warmth", "warmth", "warmth")
    assert score.told.format(score.written(3.14)) == "scores 3.1 for warmth"
    assert score.note == "warmth: kelvin."
    assert score.cell(spread_over_seeds([0, 1], [2.0, 4.0])) == "3.0 ± 1.4"
    assert score.good(True)


def test_a_number_has_as_many_decimals_as_it_says():
    score = Score("distance", "distance", "0 to 1", answers="likeness", higher_is_better=False, decimals=3)
    assert score.written(0.12345) == "0.123"
    assert score.cell(spread_over_seeds([0], [0.12345])) == "0.123"
    assert score.note == "distance: 0 to 1, lower is better."


def test_a_share_is_in_whole_per_cent_and_its_fault_may_be_a_yes():
    score = Score("faults", "with faults", "% of pictures", "quality", higher_is_better=False, share=True)
    assert score.written(33.3) == "33%"
    assert score.cell(share([True] * 8)) == "100% [68–100]"
    assert score.note == "with faults: lower is better."
    assert score.good(False)
    assert not score.good(True)


def test_the_order_of_the_tables_is_that_of_the_declarations():
    declare(Score("warmth", "warmth", "kelvin", answers="context"))
    names = {"warmth", "clip_i", "identity_kept", "clip_t_context", "undeclared"}
    scores = present(names)
    assert [score.name for score in scores] == ["identity_kept", "clip_t_context", "clip_i", "warmth"]
    assert first_that_answers("context", scores).name == "clip_t_context"
    assert first_that_answers("likeness", scores).name == "identity_kept"
    assert first_that_answers("quality", scores) is None
