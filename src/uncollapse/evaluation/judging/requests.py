"""A question as a server takes it, and its key: the hash of all of it, with pictures by their own hashes.

The same question about the same pixels has the same key whatever the file is called, so it is asked once.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .items import Item, pixels
from .rubric import Rubric

__all__ = ["Request", "request"]

LONGEST = 500  # tokens of an answer


@dataclass(frozen=True)
class Request:
    """A request of chat completions.

    Args:
        key: SHA-256 of what is asked, in hexadecimal digits.
        body: as it is sent.
        kept: the same with each picture's SHA-256 in its stead, as it is written down.
    """

    key: str
    body: dict[str, Any]
    kept: dict[str, Any]


def request(item: Item, rubric: Rubric, model: str) -> Request:
    """How an item is put to a model.

    Raises: FileFormatError, for a picture that cannot be read.
    """
    shown = (*item.photos, item.picture)
    hashes, addresses = zip(*(_sent(path, _changed(path)) for path in shown), strict=True)
    kept = _body(item, rubric, model, [f"sha256:{each}" for each in hashes])
    canonical = json.dumps([rubric.name, kept], sort_keys=True, ensure_ascii=False)
    key = hashlib.sha256(canonical.encode()).hexdigest()
    return Request(key, _body(item, rubric, model, list(addresses)), kept)


@lru_cache(maxsize=64)  # photos are sent with every picture of their subject
def _sent(picture: Path, changed: int) -> tuple[str, str]:
    """A picture's SHA-256 and its address, as they are sent."""
    png = pixels(picture)
    address = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return hashlib.sha256(png).hexdigest(), address


def _changed(picture: Path) -> int:
    """When its file last was."""
    return picture.stat().st_mtime_ns if picture.exists() else 0


def _body(item: Item, rubric: Rubric, model: str, addresses: list[str]) -> dict[str, Any]:
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": each, "detail": "low"}} for each in addresses
    ]
    content.append({"type": "text", "text": item.question.asks.replace("{text}", item.text)})
    schema = {"name": item.question.name, "strict": True, "schema": item.question.schema}
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": rubric.system},
            {"role": "user", "content": content},
        ],
        "response_format": {"type": "json_schema", "json_schema": schema},
        "temperature": 0,
        "seed": item.repeat,
        "max_completion_tokens": LONGEST,
    }
