"""A judge at work: what is not answered yet is asked, every reply is kept, and replies become cells."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import EvaluationError, FileFormatError
from ..cells import Cell
from .items import Item, Key, shuffled
from .replies import Replies, Reply, Verdict, verdict
from .requests import Request, request
from .rubric import Rubric

__all__ = ["Judging", "repeats"]

AT_ONCE = 4  # requests that wait for an answer together
GIVE_UP = 8  # failures in a row
REPEATS, SHARE, FEWEST = 2, 0.05, 10


class Judging:
    """Questions to one model by one rubric.

    Args:
        rubric: the questions.
        model: as the server calls it.
        replies: what was answered before, and where answers go.
    """

    def __init__(self, rubric: Rubric, model: str, replies: Replies) -> None:
        self.rubric, self.model, self.replies = rubric, model, replies
        self._keys: dict[tuple[str, Path, str, tuple[Path, ...], int], str | None] = {}

    def request(self, item: Item) -> Request | None:
        """How an item is asked; None where a picture cannot be read."""
        try:
            return request(item, self.rubric, self.model)
        except FileFormatError:
            return None

    def key(self, item: Item) -> str | None:
        """The key of an item's request; None where a picture cannot be read."""
        place = (item.question.name, item.picture, item.text, item.photos, item.repeat)
        if place not in self._keys:
            made = self.request(item)
            self._keys[place] = made.key if made else None
        return self._keys[place]

    def seen(self, item: Item) -> Verdict:
        """What the judge says of an item."""
        key = self.key(item)
        if key is None:
            return Verdict(None, "a picture cannot be read")
        return verdict(item.question, self.replies.get(key))

    def open(self, asked: Iterable[Item]) -> list[Item]:
        """Those that nothing came back for yet, each request once, in an order that tells nothing."""
        keys: dict[str, Item] = {}
        for item in shuffled(asked):
            key = self.key(item)
            if key is not None and not self.replies.answered(key):
                keys.setdefault(key, item)
        return [*keys.values()]

    def ask(
        self,
        asked: Sequence[Item],
        endpoint: Callable[[Request], Reply],
        advance: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Ask, and keep every reply.

        Args:
            asked: what ``open`` gave.
            endpoint: sends a request and gives the reply.
            advance: is told how many were asked.

        Raises: EvaluationError, when eight in a row fail; what came before is kept.
        """
        failed = 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for some in (asked[i : i + AT_ONCE] for i in range(0, len(asked), AT_ONCE)):
                requests = [made for made in map(self.request, some) if made]
                replies = [*pool.map(endpoint, requests)]
                self.replies.add(*replies)
                advance(len(replies))
                for reply in replies:
                    failed = failed + 1 if reply.error else 0
                if failed >= GIVE_UP:
                    raise EvaluationError(
                        f"The last {failed} questions were not answered, the last with: {replies[-1].error}. "
                        f"{len(self.replies)} replies are kept in '{self.replies.path}'. See to the server, "
                        "then run the same again."
                    )

    def cells(self, asked: Iterable[Item], missing: Iterable[Key], folder: Path) -> list[Cell]:
        """A cell for every part of every answer that is a score; of value None where there is no answer.

        Args:
            asked: items about pictures of a run.
            missing: the pictures that are not there.
            folder: that the pictures are relative to.
        """
        cells = []
        for item in asked:
            if item.about is None:
                continue
            answers = self.seen(item).answers
            picture = item.picture.relative_to(folder).as_posix()
            cells += [
                Cell(*item.about, self.rubric.identity(score, self.model), value, picture)
                for score, value in _values(item, answers)
            ]
        for key in missing:
            for question in self.rubric.questions.values():
                cells += [
                    Cell(*key, self.rubric.identity(score, self.model), None)
                    for score in question.scores.values()
                ]
        return cells


def _values(item: Item, answers: dict[str, Any] | None) -> list[tuple[str, float | None]]:
    """Scores and their values; yes is 1 and no is 0."""
    return [
        (score, None if answers is None else float(answers[part]))
        for part, score in item.question.scores.items()
    ]


def repeats(asked: Sequence[Item]) -> list[list[Item]]:
    """A twentieth of the items, ten at least, each with two repeats: how a judge agrees with itself."""
    few = max(FEWEST, round(SHARE * len(asked)))
    ordered = sorted(asked, key=_hash)
    return [[item, *(replace(item, repeat=i + 1) for i in range(REPEATS))] for item in ordered[:few]]


def _hash(item: Item) -> str:
    return hashlib.sha256(f"repeat|{item.question.name}|{item.about}".encode()).hexdigest()
