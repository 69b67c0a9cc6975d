"""What pages carry within them: data for their scripts, and small copies of pictures.

A copy has nothing of what else the picture's file says, and is exact where nothing is shrunk.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..reports.plain_text import visible

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["address", "as_data", "small"]


def as_data(data: Any) -> Markup:
    """Data as a script of JSON within a page, in which nothing ends the script."""
    from markupsafe import Markup

    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(visible(text).replace("<", "\\u003c").replace("&", "\\u0026"))


def small(picture: Path, side: int) -> bytes | None:
    """A WebP of at most ``side`` pixels a side; None where the picture cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(picture) as opened:
            opened.draft("RGB", (2 * side, 2 * side))
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    is_small = max(image.size) <= side
    image.thumbnail((side, side))
    image.info.clear()
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=is_small, quality=80, method=2)
    return buffer.getvalue()


def address(webp: bytes) -> str:
    """A WebP as an address within a page."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode("ascii")
