"""The server: what goes over the wire, and what becomes of servers that fail."""

import pytest

from toys.vlm import completion, sees, serving
from uncollapse.errors import EvaluationError
from uncollapse.evaluation.judging import RUBRICS, Endpoint, Judging, Replies, endpoint, request

V1 = RUBRICS["v1"]
SECRET = "sk-very-secret"
SLOW_DOWN = (429, {"retry-after-ms": "1"}, b'{"error": {"message": "slow down"}}')
BROKEN = (500, {"retry-after-ms": "1"}, b"oops")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setattr(endpoint, "RETRIES", 2)
    with serving(sees) as server:
        yield server


def ask(server, item, **how):
    with Endpoint(server.address) as made:
        return made.ask(request(item, V1, "eyes"), **how)


def test_the_question_is_sent_as_it_is_asked_with_the_key_from_the_environment(server, asked):
    reply = ask(server, asked[0])
    assert "score" in reply.body
    assert reply.error == ""
    [body] = server.bodies
    assert body == request(asked[0], V1, "eyes").body
    assert body["response_format"]["json_schema"]["strict"] is True
    assert server.headers[0]["authorization"] == f"Bearer {SECRET}"


def test_servers_that_are_busy_or_stumble_are_asked_again(server, asked):
    server.script += [SLOW_DOWN, BROKEN]
    assert ask(server, asked[0]).error == ""
    assert len(server.bodies) == 3


@pytest.mark.parametrize(("said", "error"), [(SLOW_DOWN, "HTTP 429: "), (BROKEN, "HTTP 500: ")])
def test_what_keeps_failing_is_a_reply_with_its_error(server, asked, said, error):
    server.script += [said] * 3
    assert ask(server, asked[0]).error.startswith(error)


def test_no_answer_at_all_is_a_reply_too(server, asked, monkeypatch):
    monkeypatch.setattr(endpoint, "RETRIES", 0)
    server.script += [None]
    assert "no answer" in ask(server, asked[0]).error


def test_nonsense_is_kept_as_it_came(server, asked):
    server.script += [(200, {}, b"<html>nonsense")]
    assert ask(server, asked[0]).body == "<html>nonsense"


def test_a_model_that_takes_no_temperature_is_asked_without(server, asked):
    server.script += [(400, {}, b'{"error": {"message": "Unsupported value: temperature"}}')]
    with Endpoint(server.address) as made:
        first = made.ask(request(asked[0], V1, "eyes"))
        made.ask(request(asked[2], V1, "eyes"))
    assert first.dropped == ("temperature",)
    assert ["temperature" in body for body in server.bodies] == [True, False, False]


def test_a_key_that_is_refused_ends_it_and_is_told_nowhere(server, asked):
    said = f'{{"error": {{"message": "Incorrect API key provided: {SECRET}"}}}}'.encode()
    server.script += [(401, {}, said)]
    with pytest.raises(EvaluationError, match="answered 401") as raised:
        ask(server, asked[0])
    assert SECRET not in str(raised.value)
    assert raised.value.__suppress_context__


def test_what_the_server_says_of_the_key_is_not_kept(server, asked):
    server.script += [(200, {}, completion(f"your key is {SECRET}")), (400, {}, SECRET.encode())]
    with Endpoint(server.address) as made:
        replies = [made.ask(request(asked[0], V1, "eyes")) for _ in range(2)]
    assert SECRET not in str(replies)
    assert "your key is …" in replies[0].body


def test_a_redirect_is_not_followed(server, asked):
    server.script += [(307, {"location": "http://127.0.0.1:9/v1/chat/completions"}, b"")]
    assert "307" in ask(server, asked[0]).error


@pytest.mark.parametrize(
    "address",
    ["http://example.com/v1", "ftp://127.0.0.1/v1", "localhost:8000/v1", "http://127.0.0.1.evil.com/v1"],
)
def test_pictures_and_keys_go_over_https_or_to_this_machine(address):
    with pytest.raises(EvaluationError, match="begins with https://"):
        Endpoint(address)


def test_an_address_with_a_password_is_refused_without_telling_it():
    with pytest.raises(EvaluationError, match="holds a name or password") as raised:
        Endpoint("https://me:hunter2@example.com/v1")
    assert "hunter2" not in str(raised.value)


def test_elsewhere_a_key_is_needed(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EvaluationError, match="OPENAI_API_KEY is not set"):
        Endpoint()


def test_a_server_that_answers_nothing_is_not_asked_for_ever(server, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "RETRIES", 0)
    server.script += [BROKEN] * 30
    judging = Judging(V1, "eyes", Replies(tmp_path / "r.jsonl"))
    with Endpoint(server.address) as made, pytest.raises(EvaluationError, match=r"last 8 .* HTTP 500"):
        judging.ask(judging.open(asked), made.ask)
    assert len(server.bodies) == 8
    assert {reply.error for reply in judging.replies} == {"HTTP 500: Error code: 500"}
    assert not any(judging.seen(item).answers for item in asked)
