"""New contexts from a language model: any server that speaks OpenAI's chat completions, named by the user.

What comes back is taken line by line, and a line counts only if it is a sentence with one slot. Whatever else
a model says is passed over; if too little is left, the error shows what it said, and carries what was good.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from typing import Any

from ..errors import FileFormatError, Setting
from .contexts import FEWEST, Contexts, with_slot

__all__ = ["IncompleteContextsError", "ask_for_contexts"]

ROUNDS = 6
SECONDS = 120
REQUEST = (
    "Write {count} short, varied English image captions about a {anchor}. Each is a single line of at most "
    'twelve words, has the text {{}} exactly once in place of the word "{anchor}", and puts it in another '
    "place, with other things around it, in another light or style. Write the captions alone: no numbers, no "
    "quotation marks."
)


class IncompleteContextsError(FileFormatError):
    """Too few usable sentences came back; ``contexts`` are those that did."""

    def __init__(self, *parts: str, contexts: Contexts) -> None:
        super().__init__(*parts)
        self.contexts = contexts


def ask_for_contexts(endpoint: str, anchor: str, count: int = 200, model: str = "default") -> Contexts:
    """``count`` contexts from the server at ``endpoint``.

    Args:
        endpoint: its base URL, such as ``http://localhost:8000/v1``. A key is taken from the environment
            variable ``OPENAI_API_KEY``, where there is one.
        anchor: the class word.
        model: as the server names it.

    Returns: as many as came back, ``count`` at most.
    Raises: IncompleteContextsError, when the server cannot be reached, refuses, or answers too little
    that can be
        used; it holds what could be.
    """
    found: dict[str, None] = {}
    said = "nothing"
    for _ in range(ROUNDS):
        try:
            said = _answer(endpoint, model, REQUEST.format(count=count, anchor=anchor))
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            if len(found) >= FEWEST:
                break
            raise _incomplete(endpoint, f"failed: {_reason(error)}", found) from error
        before = len(found)
        found |= dict.fromkeys(filter(None, (_context(line, anchor) for line in said.splitlines())))
        if len(found) >= count or len(found) == before:
            break
    if len(found) < FEWEST:
        raise _incomplete(endpoint, f"answered {said.strip()[:120]!r}", found)
    return _contexts(list(found)[:count], endpoint)


def _incomplete(endpoint: str, what: str, found: dict[str, None]) -> IncompleteContextsError:
    return IncompleteContextsError(
        f"The endpoint '{endpoint}' {what}: {len(found)} usable sentences, and {FEWEST} at least are needed. "
        "Check its address and the model's name, or leave ",
        Setting("contexts_from_llm"),
        " out to use the shipped ones.",
        contexts=_contexts(list(found), endpoint),
    )


def _contexts(templates: list[str], endpoint: str) -> Contexts:
    return Contexts(tuple(templates), tuple(range(1, len(templates) + 1)), endpoint)


def _context(line: str, anchor: str) -> str | None:
    """The sentence in a line of the answer: without bullet, number or quotes; None if it has not one slot."""
    text = re.sub(r"^\s*(?:[-*•]|\d+[.):])\s*", "", line).strip().strip("\"'“”").rstrip(".")
    text = " ".join(with_slot(text, anchor).split())
    return text if text.count("{}") == 1 and 3 <= len(text.split()) <= 25 else None


def _answer(endpoint: str, model: str, content: str) -> str:
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENAI_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}]}
    url = endpoint.rstrip("/") + "/chat/completions"
    if not url.startswith(("http://", "https://")):
        raise ValueError("its address must begin with http:// or https://")
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:
            message = json.load(reply)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as refusal:
        refusal.close()  # it holds the connection open
        raise
    if not isinstance(message, str):
        raise TypeError("the answer holds no text")
    return message


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, http.client.HTTPException):
        return "its answer is no HTTP, or was cut off"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | LookupError | TypeError):
        return "its answer is no chat completion"
    return str(error)
