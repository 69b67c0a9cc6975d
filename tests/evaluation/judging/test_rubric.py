"""What counts as an answer, whatever the server promised."""

import json

import pytest

from uncollapse.evaluation.judging import RUBRICS
from uncollapse.metrics import SCORES

PROMPT, IMAGE = RUBRICS["v1"].questions.values()
GOOD = {"reason": "A cat.", "subject": True, "scene": False, "score": 2}


def test_a_good_answer_is_read():
    assert PROMPT.read(json.dumps(GOOD)) == GOOD


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"score": 5}, "its score is 5"),
        ({"score": -1}, "its score is -1"),
        ({"score": 2.5}, "its score is 2.5"),
        ({"score": "2"}, 'its score is "2"'),
        ({"score": True}, "its score is true"),
        ({"subject": 1}, "its subject is 1"),
        ({"reason": None}, "its reason is null"),
        ({"more": 1}, "no object of reason, subject, scene, score"),
    ],
)
def test_an_answer_beside_the_schema_is_not(changes, says):
    with pytest.raises(ValueError, match=says):
        PROMPT.read(json.dumps(GOOD | changes))


@pytest.mark.parametrize("text", ["Score: 3", "", "[1]", '{"score": 3}', "null"])
def test_prose_is_no_answer(text):
    with pytest.raises(ValueError, match="it is no"):
        PROMPT.read(text)


def test_the_schema_asks_for_every_part_and_for_no_other():
    for question in (PROMPT, IMAGE):
        schema = question.schema
        assert schema["required"] == [*schema["properties"]]
        assert next(iter(schema["properties"])) == "reason"  # before the grade
        assert schema["additionalProperties"] is False
        assert schema["properties"]["score"]["enum"] == [0, 1, 2, 3, 4]


def test_every_score_is_declared():
    assert {"vlm_prompt", "vlm_scene", "vlm_image", "vlm_copy"} <= SCORES.keys()
    assert {*PROMPT.scores.values(), *IMAGE.scores.values()} <= SCORES.keys()
