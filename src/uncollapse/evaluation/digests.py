"""What something is, by its content: the names of jobs, pictures, weights and features.

job       sha256 of the canonical JSON of all that a picture depends on
file      sha256 of its bytes
folder    sha256 of the canonical JSON of its files' names and digests
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..errors import FileFormatError
from ..output import plain

__all__ = ["canonical", "digest", "digest_of_bytes", "digest_of_path"]


def canonical(data: Any) -> str:
    """JSON that is the same text for the same data: keys sorted, no blanks.

    >>> canonical({"b": 1, "a": [0.5, None]})
    '{"a":[0.5,null],"b":1}'
    """
    return json.dumps(plain(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(data: Any) -> str:
    """sha256 of the canonical JSON, in hexadecimal."""
    return digest_of_bytes(canonical(data).encode())


def digest_of_bytes(data: bytes) -> str:
    """sha256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of_path(path: Path) -> str:
    """Of a file, or of all files in a folder.

    Raises: FileFormatError, where there is none.
    """
    try:
        if path.is_dir():
            files = sorted(each for each in path.rglob("*") if each.is_file())
            return digest({each.relative_to(path).as_posix(): digest_of_path(each) for each in files})
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileFormatError(f"There is no file at '{path}': {error.strerror}.") from error
