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
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..admission import json_from
from ..errors import FileFormatError, ForeignFileError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["SUFFIXES", "entries_in_image"]

SUFFIXES = {".png", ".webp", ".avif"}
FIELD = "sd-ti-embedding"
LARGEST = 16 * 2**20  # bytes of JSON; 75 vectors of 1280 components are 2 MB
PIXELS = 2**24  # of a picture that is searched; such an embedding takes a million beside its own


def entries_in_image(file: Path) -> dict[str, Any]:
    """What the picture carries, in the layout of A1111's ``.pt`` files.

    Raises: ForeignFileError, for a picture that cannot be read or carries nothing; FileFormatError, for one
        whose text field is damaged.
    """
    from PIL import Image

    kind: type[FileFormatError] = ForeignFileError
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file) as image:  # of its size: see below
            kind = FileFormatError if FIELD in image.info else kind
            entries = json_from(_data_in(image), _tensors)
    except (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError) as error:
        raise kind(
            f"{file}: this picture carries no embedding that can be read. Pictures do so only as A1111 saved "
            "them: JPEG, resizing and most upload sites destroy it."
        ) from error
    if not isinstance(entries, dict):
        raise FileFormatError(
            f"{file}: what this picture carries is a {type(entries).__name__}, no embedding."
        )
    return entries


def _data_in(image: Image) -> bytes:
    if text := image.info.get(FIELD):
        if len(text) > LARGEST:
            raise ValueError("too much text")
        return base64.b64decode(text)
    if image.width * image.height > PIXELS:
        raise ValueError("too many pixels")
    return _hidden(np.asarray(image.convert("RGB")))


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
    left, right = low_bits[:, : borders[0]], low_bits[:, borders[-1] + 1 :]
    if left.shape != right.shape or not left.size:
        raise ValueError("blocks of different size")
    left, right = left.ravel() ^ _mask(left.size), right.ravel() ^ _mask(right.size)
    return zlib.decompressobj().decompress((right << 4 | left).tobytes(), LARGEST)


def _mask(count: int) -> np.ndarray:
    """The first ``count`` of the masks. What takes one step further, taken twice, takes two."""
    a, c = 1664525, 1013904223
    states = np.array([c], np.uint32)
    while len(states) < count:
        states = np.concatenate([states, states * np.uint32(a) + np.uint32(c)])
        a, c = a * a % 2**32, (a * c + c) % 2**32
    return (states[:count] % 255 & 15).astype(np.uint8)


def _tensors(value: dict[str, Any]) -> Any:
    if "TORCHTENSOR" not in value:
        return value
    try:
        return torch.tensor(value["TORCHTENSOR"], dtype=torch.float32)
    except (TypeError, RuntimeError, OverflowError) as error:  # texts, ragged lists, numbers beyond floats
        raise ValueError(f"no tensor: {error}") from error
