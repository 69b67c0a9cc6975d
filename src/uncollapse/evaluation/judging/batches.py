"""Batches: all open questions as files that a server works off within a day for less, and their answers.

A line is a request under its key, in the form that OpenAI's batch endpoint takes. Answers come in any order,
and a batch that expired gives those that were ready; the others stay open.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...admission import json_from
from ...errors import FileFormatError
from ...output import save_text
from .items import Item
from .judge import Judging
from .replies import Reply
from .requests import Request

__all__ = ["export_batch", "import_batch"]

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000  # of one file


def export_batch(judging: Judging, asked: Iterable[Item], path: Path) -> list[Path]:
    """Write open questions, into several numbered files where one would be too large.

    Args:
        asked: what ``Judging.open`` gave.
        path: the first file; the others get a number.

    Raises: OutputError.
    """
    requests = (made for made in map(judging.request, asked) if made)
    files = []
    for number, lines in enumerate(_parts(requests), 1):
        file = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        files.append(save_text("".join(lines), file))
    return files


def _parts(requests: Iterable[Request]) -> Iterator[list[str]]:
    lines: list[str] = []
    size = 0
    for made in requests:
        batched = {"custom_id": made.key, "method": "POST", "url": "/v1/chat/completions", "body": made.body}
        line = json.dumps(batched, ensure_ascii=True) + "\n"
        if lines and (len(lines) == MOST_REQUESTS or size + len(line) > MOST_BYTES):
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield lines


def import_batch(judging: Judging, asked: Sequence[Item], path: Path) -> tuple[int, int]:
    """Keep the answers of a batch.

    Args:
        judging: whose questions they answer.
        asked: the open questions.
        path: the file that the server gave.

    Returns: how many were kept, and how many answer nothing that is open.
    Raises: FileFormatError, for a line that is no answer of a batch; nothing of the file is kept then.
    """
    known = {judging.key(item): item for item in asked}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"'{path}' cannot be read. Give the file that the server made.") from error
    answers = [_answer(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    replies = [
        Reply(key, made.kept, body, fault, time.time())
        for key, body, fault in answers
        if key in known and (made := judging.request(known[key]))
    ]
    judging.replies.add(*replies)
    return sum(not each.error for each in replies), len(answers) - len(replies)


def _answer(path: Path, number: int, line: str) -> tuple[str, str, str]:
    """Key, body and error of a line."""
    try:
        given: Any = json_from(line)
        key, response, fault = given["custom_id"], given.get("response"), given.get("error")
        if response and response["status_code"] == 200:
            return str(key), json.dumps(response["body"], ensure_ascii=False), ""
        said = f"HTTP {response['status_code']}" if response else str((fault or {}).get("code", "no answer"))
        return str(key), "", said
    except (ValueError, TypeError, LookupError, AttributeError) as reason:
        raise FileFormatError(
            f"'{path}', line {number}, is no answer of a batch: it has custom_id and response. Give the file "
            "that the server made."
        ) from reason
