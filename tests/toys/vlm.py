"""A server of chat completions on this machine, whose eyes are the miniature's judge.

with serving(sees) as server:                      # an honest one; `lies` is a wrong one
    server.address, server.bodies, server.headers
    server.script.append((429, {"retry-after-ms": "1"}, b"slow down"))     # before the next answers
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

from uncollapse.evaluation import Cell
from uncollapse.miniature import MINIATURES
from uncollapse.miniature.world import PLACES, SUBJECTS, Scene, render

NO_ANSWER = None


@dataclass
class Server:
    """What was sent to it, and what it is to do before it answers."""

    see: Callable[[str, list[bytes], str], dict]
    address: str = ""
    bodies: list[dict] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)
    script: list[tuple[int, dict, bytes] | None] = field(default_factory=list)

    def reply(self, body: dict) -> tuple[int, dict, bytes] | None:
        if self.script:
            return self.script.pop(0)
        content = body["messages"][1]["content"]
        images = [base64.b64decode(part["image_url"]["url"].partition(",")[2]) for part in content[:-1]]
        answer = self.see(body["response_format"]["json_schema"]["name"], images, content[-1]["text"])
        return 200, {}, completion(json.dumps(answer))


def completion(content: str | None, **more) -> bytes:
    """A chat completion that says this."""
    message = {"role": "assistant", "content": content, "refusal": more.pop("refusal", None)}
    choice = {"index": 0, "message": message, "finish_reason": more.pop("finish_reason", "stop")}
    usage = {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020}
    whole = {"id": "c", "object": "chat.completion", "created": 0, "model": "eyes-2026-01-01"}
    return json.dumps(whole | {"choices": [choice], "usage": usage} | more).encode()


@contextmanager
def serving(see: Callable[[str, list[bytes], str], dict]) -> Iterator[Server]:
    server = Server(see)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            server.bodies.append(body)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            said = server.reply(body)
            if said is NO_ANSWER:
                self.close_connection = True
                return
            status, headers, text = said
            self.send_response(status)
            for name, value in (
                {"content-type": "application/json", "content-length": len(text)} | headers
            ).items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.address = f"http://127.0.0.1:{listener.server_port}/v1"
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


@cache
def judge():
    return MINIATURES["unet"].judge()


@cache
def reading(png: bytes):
    """What the judge reads off a picture; the same ones come again and again."""
    [seen] = judge().read([Image.open(io.BytesIO(png))])
    return seen


def sees(question: str, images: list[bytes], text: str) -> dict:
    """What the miniature's judge reads off the pictures, as an answer of rubric v1."""
    *photos, seen = map(reading, images)
    if question == "prompt":
        subject = seen.subject in text
        scene = seen.place in text
        return {"reason": str(seen), "subject": subject, "scene": scene, "score": 2 * subject + 2 * scene}
    alike = sum(
        (p.subject == seen.subject) + (p.subject == seen.subject and p.colour == seen.colour) for p in photos
    )
    score = round(2 * alike / len(photos))
    return {"reason": str(seen), "same": score == 4, "copy": False, "score": score}


def lies(question: str, images: list[bytes], text: str) -> dict:
    """The same the wrong way round."""
    answer = sees(question, images, text)
    return answer | {"score": 4 - answer["score"]}


PETS = {"my-cat": Scene("cat", "orange", "garden"), "my-dog": Scene("dog", "blue", "city")}
ASKED = {"a photo of {} in the snow": "snow", "a photo of {} in the desert": "desert"}
SCORE = "clip_t|toy|text=context|mean"


def make_run(folder: Path, photos: Path, seeds: int = 1) -> list[Cell]:
    """A run of two pets: the base model draws any pet at the place, the personalised one the pet anywhere,
    and an adjusted one the pet at the place."""
    assert {"snow", "desert", "garden", "city"} <= {*PLACES}
    cells = []
    for name, pet in PETS.items():
        assert pet.subject in SUBJECTS
        (photos / name).mkdir(parents=True)
        for i, place in enumerate(("garden", "city", "forest")):
            render(Scene(pet.subject, pet.colour, place, seed=i)).save(photos / name / f"{i}.png")
        for prompt, place in ASKED.items():
            for seed in range(seeds):
                scenes = {
                    "base": Scene(pet.subject, "white", place, seed=10 + seed),
                    "personalised": Scene(pet.subject, pet.colour, "kitchen", seed=10 + seed),
                    "TEA": Scene(pet.subject, pet.colour, place, seed=10 + seed),
                }
                for arm, scene in scenes.items():
                    file = f"{name}-{place}-{arm}-{seed}.png"
                    render(scene).save(folder / file)
                    cells.append(Cell(name, "LoRA", arm, prompt, seed, SCORE, 1.0, file))
    return cells
