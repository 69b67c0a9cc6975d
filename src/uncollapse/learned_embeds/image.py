"""The embedding that A1111 keeps in a picture: in a text field, or in the low bits of its pixels.

The text field ``sd-ti-embedding`` (PNG) is base64 of JSON, tensors written {"TORCHTENSOR": nested lists}.

Pixels survive where text fields are stripped. Left and right of the picture, set off by a column whose low
four bits are zero, stands a block of pixels; the low four bits of its channels, XORed with a fixed
sequence, are the low (left block) and high (right block) halves of the bytes of the same JSON, deflated:

    sᵢ₊₁ = 1664525 sᵢ + 1013904223  mod 2³²,   s₀ = 0,   maskᵢ = (sᵢ₊₁ mod 255) & 15

Numbers in JSON are decimal, and float32 comes back from them bit for bit.
"""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import FileFormatError

__all__ = ["SUFFIXES", "entries_in_image"]

SUFFIXES = {".png", ".webp", ".avif"}
FIELD = "sd-ti-embedding"
LARGEST = 256 * 2**20  # bytes of JSON; 75 vectors of 1280 components are 2 MB


def entries_in_image(file: Path) -> dict[str, Any]:
    """What the picture carries, in the layout of A1111's ``.pt`` files.

    Raises: FileFormatError, for a picture that cannot be read or carries nothing.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            text = image.info.get(FIELD)
            data = base64.b64decode(text) if text else _hidden(np.asarray(image.convert("RGB")))
        entries = json.loads(data, object_hook=_tensors)
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        raise FileFormatError(
            f"{file}: this picture carries no embedding that can be read. Pictures do so only as A1111 saved "
            "them: JPEG, resizing and most upload sites destroy it."
        ) from error
    if not isinstance(entries, dict):
        raise FileFormatError(
            f"{file}: what this picture carries is a {type(entries).__name__}, no embedding."
        )
    return entries


def _hidden(pixels: np.ndarray) -> bytes:
    """The bytes in ``pixels``, ``[height, width, 3]``."""
    lit = (pixels > 0).all(axis=2)
    rows, columns = np.flatnonzero(np.any(lit, axis=1)), np.flatnonzero(np.any(lit, axis=0))
    if not len(rows):
        raise ValueError("a black picture")
    low_bits = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] & 15
    borders = np.flatnonzero(low_bits.max(axis=(0, 2)) == 0)
    if len(borders) < 2:
        raise ValueError("no borders")
    left, right = _unmasked(low_bits[:, : borders[0]]), _unmasked(low_bits[:, borders[-1] + 1 :])
    if left.shape != right.shape:
        raise ValueError("blocks of different size")
    return zlib.decompressobj().decompress((right << 4 | left).tobytes(), LARGEST)


def _unmasked(block: np.ndarray) -> np.ndarray:
    states = itertools.accumulate(
        range(block.size), lambda s, _: (1664525 * s + 1013904223) % 2**32, initial=0
    )
    next(states)
    mask = np.fromiter((s % 255 & 15 for s in states), np.uint8, block.size)
    return block.ravel() ^ mask


def _tensors(value: dict[str, Any]) -> Any:
    return torch.tensor(value["TORCHTENSOR"], dtype=torch.float32) if "TORCHTENSOR" in value else value
