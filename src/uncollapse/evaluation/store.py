"""A run's folder: what is in it, where, and how it comes there whole.

    run.json                 the plan, and where its weights are
    plan.jsonl               a row a picture that is wanted
    references/SHA.jpg       the photos, so that the folder can be moved
    images/ab/SHA.png        pictures, by the sha256 of their file
    draws/BATCH.jsonl        what became of each job of a batch, errors too
    features/MODEL/*.safetensors    what models of vision saw, by the picture's sha256
    scores/ID.jsonl          figures of one score, by picture and prompt
    cells.jsonl              all figures, with what each is of: what statistics and reports read

Every file is made beside its place, flushed to the disk and moved there, and its name follows from its
content or its jobs: to do something twice, or to merge the folders of several machines, does no harm.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..admission import json_from, reason, text_from
from ..errors import FileFormatError
from ..output import plain, write_atomically
from .digests import digest_of_bytes

__all__ = ["keep_file", "keep_picture", "keep_rows", "rows_in"]


def keep_file(data: bytes, path: Path) -> Path:
    """Write a file whole, and let it reach the disk before it has its name.

    Raises: OutputError.
    """

    def write(scratch: Path) -> None:
        with scratch.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    return write_atomically(path, write)


def keep_picture(data: bytes, run: Path, suffix: str = ".png") -> str:
    """Put a picture's file where its content says.

    Returns: where that is, relative to the run's folder.
    Raises: OutputError.
    """
    name = digest_of_bytes(data)
    relative = f"images/{name[:2]}/{name}{suffix.lower()}"
    if not (run / relative).exists():
        keep_file(data, run / relative)
    return relative


def keep_rows(rows: Iterable[Mapping[str, Any]], path: Path) -> Path:
    """Write JSON lines.

    Raises: OutputError.
    """
    lines = [json.dumps(plain(row), ensure_ascii=False) for row in rows]
    return keep_file("".join(f"{line}\n" for line in lines).encode(), path)


def rows_in(files: Path, pattern: str = "*.jsonl") -> Iterator[dict[str, Any]]:
    """The rows of a file, or of all files in a folder, by name.

    Raises: FileFormatError, for a line that is no JSON.
    """
    for path in sorted(files.glob(pattern)) if files.is_dir() else filter(Path.exists, [files]):
        for number, line in enumerate(text_from(path, most=2**31).splitlines(), 1):
            try:
                yield json_from(line)
            except ValueError as error:
                raise FileFormatError(
                    f"'{path}', line {number} is no JSON: {reason(error)} Delete the file: what it held is "
                    "done again."
                ) from error
