"""Replies, kept: nothing of them is lost, and what cannot be used says why."""

import json

import pytest

from toys.vlm import completion
from uncollapse.errors import FileFormatError
from uncollapse.evaluation.judging import RUBRICS, Replies, Reply, verdict

QUESTION = RUBRICS["v1"].questions["prompt"]
GOOD = json.dumps({"reason": "α “x”", "subject": True, "scene": True, "score": 4})


def reply(body="", error="", key="k"):
    return Reply(key, {"model": "eyes"}, body, error, 1.5, ("temperature",))


def test_they_are_there_after_a_restart_and_the_newest_counts(tmp_path):
    replies = Replies(tmp_path / "judge" / "r.jsonl")
    replies.add(reply(error="HTTP 500"))
    assert not replies.answered("k")
    replies.add(reply(completion(GOOD).decode()))
    replies.add(reply("x", key="other"))
    again = Replies(tmp_path / "judge" / "r.jsonl")
    assert again.answered("k")
    assert again.get("k") == reply(completion(GOOD).decode())
    assert len(again) == 2
    assert len((tmp_path / "judge" / "r.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_a_line_that_was_cut_off_gives_way(tmp_path):
    path = tmp_path / "r.jsonl"
    Replies(path).add(reply("1", key="a"))
    with path.open("ab") as file:
        file.write(b'{"key": "b", "requ')
    replies = Replies(path)
    assert [each.key for each in replies] == ["a"]
    replies.add(reply("2", key="c"))
    assert [each.key for each in Replies(path)] == ["a", "c"]


@pytest.mark.parametrize("line", ["[]", "{}", "nonsense", '{"key": "a", "dropped": []}'])
def test_what_is_no_reply_is_named(tmp_path, line):
    (tmp_path / "r.jsonl").write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"line 1, is no reply"):
        Replies(tmp_path / "r.jsonl")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (completion(None, refusal="I cannot."), "refused"),
        (completion(None), "the answer is empty"),
        (completion("  "), "the answer is empty"),
        (completion('{"reason": "A', finish_reason="length"), "the answer was cut off"),
        (completion("Score: 4"), "cannot be used: it is no JSON"),
        (b"<html>", "no chat completion"),
        (b'{"choices": []}', "no chat completion"),
        (b'{"choices": [null]}', "no chat completion"),
    ],
)
def test_what_cannot_be_used_says_why(body, says):
    seen = verdict(QUESTION, reply(body.decode()))
    assert seen.answers is None
    assert says in seen.error


def test_what_can_be_used_is():
    assert verdict(QUESTION, reply(completion(GOOD).decode())).answers["score"] == 4
    assert verdict(QUESTION, reply(error="HTTP 500")).error == "HTTP 500"
    assert verdict(QUESTION, None).error == "not asked"
