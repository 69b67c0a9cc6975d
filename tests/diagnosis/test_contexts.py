"""Contexts: those that ship are varied, those of a user checked by line, those of a model sifted."""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from uncollapse.diagnosis.asked_contexts import IncompleteContextsError, ask_for_contexts
from uncollapse.diagnosis.contexts import KINDS, Contexts, contexts_for, fitting, read_contexts, shipped
from uncollapse.errors import FileFormatError


@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_varied_sentences_ship_for_each_kind(kind):
    contexts = shipped(kind)
    assert len(contexts) == 200 == len(set(contexts.templates))
    assert all(text.count("{}") == 1 for text in contexts.templates)
    assert all(4 <= len(text.split()) <= 14 for text in contexts.templates)
    words = {word for text in contexts.templates for word in text.split()}
    assert len(words) > 400
    assert contexts.lines[0] == 2


@pytest.mark.parametrize(
    ("anchor", "kind"),
    [
        ("dog", "animals"),
        ("small dog", "animals"),
        ("woman", "people"),
        ("teapot", "objects"),
        ("gizmo", "objects"),
        ("carved by", "relations"),
        ("sitting on", "relations"),
    ],
)
def test_the_anchor_chooses_the_kind(anchor, kind):
    assert contexts_for(anchor).source == kind


def test_shipped_sentences_that_mention_the_anchor_are_left_out():
    assert any("cat" in text.split() for text in shipped("objects").templates)
    contexts = contexts_for("horse")
    assert 190 < len(contexts) < 200
    assert not any("horse" in text.split() for text in contexts.templates)


def test_a_few_of_many_are_spread_over_the_file():
    few = shipped("animals").first(4)
    assert few.lines == (2, 52, 102, 152)
    assert len(shipped("animals").first(999)) == 200
    assert few.about("sks dog")[0].count("sks dog") == 1


def write(tmp_path, *lines):
    path = tmp_path / "mine.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


GOOD = [f"a {{}} in place {i}" for i in range(8)]


def test_a_file_may_have_slots_or_the_class_word(tmp_path):
    contexts = read_contexts(write(tmp_path, "# mine", "", "a Dog in the snow", *GOOD), "dog")
    assert contexts.templates[:2] == ("a {} in the snow", "a {} in place 0")
    assert contexts.lines[:2] == (3, 4)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([*GOOD, "a boat", "a house"], "neither {} nor 'dog' is in lines 9, 10. Every"),
        ([*GOOD, "a dogs' home"], "neither {} nor 'dog' is in line 9."),
        ([*GOOD, "a {} near a dog"], "{} or 'dog' is more than once in line 9."),
        ([*GOOD, "a dog, a dog and a {}"], "is more than once in line 9."),
        ([*GOOD, *["a dog and a dog"] * 7], "is more than once in lines 9, 10, 11, 12, 13 and 2 more."),
        (GOOD[:3], "3 of 3 sentences can be used"),
        ([], "0 of 0 sentences"),
    ],
)
def test_what_is_wrong_is_named_by_line(tmp_path, lines, said):
    with pytest.raises(FileFormatError) as error:
        read_contexts(write(tmp_path, *lines), "dog")
    assert said in str(error.value)
    assert "mine.txt" in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(FileFormatError, match="No such file or directory"):
        read_contexts(tmp_path / "none.txt", "dog")
    (tmp_path / "picture.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(FileFormatError, match="no UTF-8 text"):
        read_contexts(tmp_path / "picture.txt", "dog")


def test_a_file_without_end_is_read_to_a_limit():
    with pytest.raises(FileFormatError, match="longer than 4 MiB"):
        read_contexts(Path("/dev/zero"), "dog")


def test_sentences_that_an_encoder_would_cut_off(tmp_path):
    contexts = read_contexts(write(tmp_path, "# mine", "a {} " + "very " * 9 + "late", *GOOD), "dog")

    def tokens(text):
        return len(text.split()) + 2

    assert len(fitting(contexts, ["sks dog", "dog"], tokens, 20, strict=True)) == 9
    with pytest.raises(FileFormatError, match=r"mine.txt: line 2 would be cut off.* 8 tokens"):
        fitting(contexts, ["sks dog", "dog"], tokens, 8, strict=True)
    assert fitting(contexts, ["sks dog", "dog"], tokens, 8, strict=False).lines == tuple(range(3, 11))
    with pytest.raises(FileFormatError, match="0 of 9 sentences can be used"):
        fitting(contexts, ["sks dog", "dog"], tokens, 4, strict=False)


@pytest.fixture
def endpoint():
    """A server whose answers a test sets: texts become chat completions, bytes are sent as they are."""
    answers, requests = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            requests.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, int):
                self.send_error(answer)
                return
            if isinstance(answer, str):
                answer = json.dumps({"choices": [{"message": {"content": answer}}]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    server.answers, server.requests = answers, requests
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_sentences_of_a_language_model_are_sifted(endpoint):
    first = [
        "Sure! Here are your captions:",
        "1. A dog in the snow.",
        '- "a {} under a red moon"',
        "a dog and a dog",
    ]
    endpoint.answers += ["\n".join(first), "\n".join(GOOD)]
    contexts = ask_for_contexts(endpoint.url, "dog", count=9, model="small")
    assert contexts.templates == ("A {} in the snow", "a {} under a red moon", *GOOD[:7])
    path, body = endpoint.requests[0]
    assert path == "/v1/chat/completions"
    assert body["model"] == "small"
    assert "about a dog" in body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("answer", "said", "kept"),
    [
        ("I cannot help with that.", "answered 'I cannot help with that.'", 0),
        ("\n".join(GOOD[:3]), "3 usable sentences", 3),
        (b"<html>hello</html>", "its answer is no chat completion", 0),
        (b'{"choices": []}', "its answer is no chat completion", 0),
        (b'{"choices": [{"message": {"content": null}}]}', "its answer is no chat completion", 0),
        (b'{"choices": "\xff"}', "its answer is no chat completion", 0),
        (401, "HTTP 401", 0),
    ],
)
def test_nonsense_is_one_clear_error_and_loses_nothing(endpoint, answer, said, kept):
    endpoint.answers.append(answer)
    with pytest.raises(IncompleteContextsError) as error:
        ask_for_contexts(endpoint.url, "dog")
    assert said in str(error.value)
    assert endpoint.url in str(error.value)
    assert len(error.value.contexts) == kept


def test_an_endpoint_that_speaks_no_http():
    with socketserver.TCPServer(("127.0.0.1", 0), Babbler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(IncompleteContextsError, match="its answer is no HTTP"):
            ask_for_contexts(f"http://127.0.0.1:{server.server_address[1]}/v1", "dog")
        thread.join()


class Babbler(socketserver.StreamRequestHandler):
    """Says something that is no HTTP to whatever it is asked."""

    def handle(self):
        self.request.recv(65536)
        self.wfile.write(b"220 mail.example ready\r\n")


def test_an_endpoint_that_breaks_halfway_still_gives_what_it_gave(endpoint):
    endpoint.answers += ["\n".join(GOOD), 500]
    assert ask_for_contexts(endpoint.url, "dog").templates == tuple(GOOD)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "file:///etc", "localhost"])
def test_an_endpoint_that_is_none(url):
    with pytest.raises(IncompleteContextsError, match="failed: "):
        ask_for_contexts(url, "dog")


def test_contexts_are_a_plain_record():
    assert len(Contexts(("a {}",), (1,), "here")) == 1
