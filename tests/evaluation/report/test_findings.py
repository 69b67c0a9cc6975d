"""What an evaluation comes to."""

import pytest

from toys.cells import CONTEXT, LIKENESS, cells_of
from uncollapse.errors import EvaluationError
from uncollapse.evaluation.report import findings, tables, verdict


def test_the_scores_that_answer_are_found_by_what_they_declare(evaluated):
    found = findings(evaluated[0], margin=2.0)
    assert (found.context, found.likeness) == (CONTEXT, LIKENESS)
    assert [(p.score, p.claim, p.margin) for p in found.primaries] == [
        (CONTEXT, "better", 0.0),
        (LIKENESS, "not worse", 2.0),
    ]
    assert found.holding == [("LoRA", "TEA α 0.2"), ("TI", "TEA α 0.2")]
    assert verdict(found).tone == "good"


def test_nothing_is_claimed_of_the_base_model(evaluated):
    assert {claim.gain.arm for claim in findings(evaluated[0]).claims} == {"TEA α 0.2"}


def test_a_likeness_lost_beyond_the_margin_holds_for_none(evaluated):
    found = findings(evaluated[0], margin=0.5)
    assert found.holding == []
    assert "0 of 2 ways" in verdict(found).word


def test_without_a_margin_nothing_is_declared_of_the_likeness_and_that_is_said(evaluated):
    found = findings(evaluated[0])
    assert [p.score for p in found.primaries] == [CONTEXT]
    assert "No margin was stated" in verdict(found).reasons[-1]


def test_scores_may_be_named(evaluated):
    cells = [*evaluated[0], *cells_of(lambda *_: 1.0, score="context_kept|judge", method="LoRA")]
    assert findings(cells).context == CONTEXT  # the first
    assert findings(cells, context="context_kept").context == "context_kept|judge"
    with pytest.raises(EvaluationError, match=r"'dino' is no score of these: clip_t.*clip_i"):
        findings(cells, likeness="dino")


def test_what_cannot_be_reported_is_said(evaluated):
    with pytest.raises(EvaluationError, match="no cells"):
        findings([])
    with pytest.raises(EvaluationError, match=r"'none' is no arm of LoRA, which has 'base', 'personalised'"):
        findings(evaluated[0], baseline="none")
    with pytest.raises(EvaluationError, match="margin=-1 is below 0"):
        findings(evaluated[0], margin=-1)
    with pytest.raises(EvaluationError, match="margin=2 is stated, and no score"):
        findings(cells_of(lambda *_: 1.0), margin=2)


def test_every_score_has_a_table_with_its_whole_identity_and_what_is_missing(evaluated):
    by_title = {table.title: table for table in tables(findings(evaluated[0], margin=2.0))}
    assert list(by_title) == ["Declared outcomes", "Fronts", "CLIP-T context", "CLIP-I photos"]
    assert f"Score: {LIKENESS}" in by_title["CLIP-I photos"].notes
    assert any("2 of LoRA: TEA α 0.2; 2 of TI: TEA α 0.2" in note for note in by_title["CLIP-I photos"].notes)
    rows = {row[0]: row for row in by_title["CLIP-I photos"].rows}
    assert rows["LoRA: TEA α 0.2"][-1] == "2 of 12"
    assert rows["LoRA: personalised"][2:] == ["", "", "", "", "", "", "0"]
    assert by_title["CLIP-T context"].rows[2][5] == "3/3"


def test_the_base_model_is_on_no_front(evaluated):
    fronts = next(table for table in tables(findings(evaluated[0])) if table.title == "Fronts")
    assert [row[1] for row in fronts.rows] == [2, 2]


def test_of_one_concept_it_says_of_these_prompts():
    cells = cells_of(lambda c, a, p, s: len(p) + len(a), concepts=["cat"])
    [declared, score] = tables(findings(cells))
    assert "over the prompts of one concept" in declared.notes[0]
    assert any("of these prompts: other concepts may differ" in note for note in score.notes)
    assert "prompts better" in score.head
