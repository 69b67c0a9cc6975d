"""Every reply, as it came, kept for good: a file of JSON lines that is only ever added to.

A reply is kept under the key of its request. A refusal, an empty answer and nonsense are replies too; where
nothing came back that is kept as well, and asked again the next time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ...admission import json_from
from ...errors import FileFormatError
from ...output import check_writable
from .rubric import Question

__all__ = ["Replies", "Reply", "Verdict", "verdict"]


@dataclass(frozen=True)
class Reply:
    """What came back for a request.

    Args:
        key: the request's.
        request: what was asked, its pictures by their hashes.
        body: the server's whole answer as text; "" where nothing came.
        error: why nothing came, such as "HTTP 500"; "" where something did.
        time: when, in seconds since 1970.
        dropped: settings that the server did not take, such as "temperature".
    """

    key: str
    request: dict[str, Any]
    body: str
    error: str
    time: float
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a reply says, checked.

    Args:
        answers: its parts; None where it cannot be used.
        error: why not: a refusal, nonsense, an answer that was cut off, or nothing at all.
    """

    answers: dict[str, Any] | None
    error: str = ""


class Replies:
    """All replies in a file, the newest of each request.

    Args:
        path: the file; it need not be there yet. A last line that was cut off, as a killed process leaves it,
            is passed over, and gives way to the next.

    Raises: FileFormatError, for a line that is no reply.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        known, self._whole = _read(path)
        self._newest = {reply.key: reply for reply in known}

    def __len__(self) -> int:
        return len(self._newest)

    def __iter__(self) -> Iterator[Reply]:
        return iter(self._newest.values())

    def get(self, key: str) -> Reply | None:
        """The newest reply to a request; None where there is none."""
        return self._newest.get(key)

    def answered(self, key: str) -> bool:
        """Whether something came back, whatever it was."""
        reply = self._newest.get(key)
        return reply is not None and not reply.error

    def add(self, *replies: Reply) -> None:
        """Write replies down; they are on the disk when this returns.

        Raises: OutputError.
        """
        lines = "".join(json.dumps(asdict(reply), ensure_ascii=False) + "\n" for reply in replies).encode()
        check_writable(self.path.parent)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.truncate(self._whole)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        self._whole += len(lines)
        self._newest |= {reply.key: reply for reply in replies}


def _read(path: Path) -> tuple[list[Reply], int]:
    """The replies of a file, and how many of its bytes are whole lines."""
    data = path.read_bytes() if path.exists() else b""
    whole = data.rfind(b"\n") + 1
    replies = []
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            given = json_from(line)
            replies.append(Reply(**given | {"dropped": tuple(given["dropped"])}))
        except (ValueError, TypeError, KeyError) as error:
            names = ", ".join(each.name for each in fields(Reply))
            raise FileFormatError(
                f"'{path}', line {number}, is no reply: a reply has {names}. Move the file away to ask anew."
            ) from error
    return replies, whole


def verdict(question: Question, reply: Reply | None) -> Verdict:
    """What a reply says."""
    if reply is None:
        return Verdict(None, "not asked")
    if reply.error:
        return Verdict(None, reply.error)
    try:
        choice = json_from(reply.body)["choices"][0]
        message = choice["message"]
        refusal, content, ended = message.get("refusal"), message.get("content"), choice.get("finish_reason")
    except (ValueError, LookupError, TypeError, AttributeError):
        return Verdict(None, "the reply is no chat completion")
    if refusal:
        return Verdict(None, "refused")
    if not isinstance(content, str) or not content.strip():
        return Verdict(None, "the answer is empty")
    try:
        return Verdict(question.read(content))
    except ValueError as error:
        cut = "the answer was cut off" if ended == "length" else f"the answer cannot be used: {error}"
        return Verdict(None, cut)
