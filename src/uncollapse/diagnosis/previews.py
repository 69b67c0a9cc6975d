"""The previews that a training left in its folder: the validation prompt at some steps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..admission import json_from

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["read_previews"]

NAME = re.compile(r"step-(\d+)\.png")


def read_previews(folder: Path) -> tuple[dict[int, Image], str, list[str]]:
    """The pictures in ``previews/`` by step, what they were asked for, and notes on those left out."""
    from PIL import Image

    pictures: dict[int, Image.Image] = {}
    prompt, notes = "", []
    for path in sorted((folder / "previews").glob("*.png")):
        match = NAME.fullmatch(path.name)
        if match is None:
            continue
        try:
            with Image.open(path) as image:
                pictures[int(match[1])] = image.convert("RGB")
                prompt = prompt or _asked(image.info)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            notes.append(f"The preview '{path.name}' cannot be read and is left out: {error}")
    return pictures, prompt, notes


def _asked(info: dict[Any, Any]) -> str:
    """The prompt, as ``output.save_png`` keeps it."""
    about = json_from(info.get("uncollapse", "{}"))
    return str(about.get("prompt", "")) if isinstance(about, dict) else ""
