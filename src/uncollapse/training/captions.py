"""Each photo's own prompt, from the ``metadata.jsonl`` beside the photos.

A line a photo, as Hugging Face's image folders have it:

    {"file_name": "1.jpg", "text": "a cat <R> a stone"}

All lines are checked before anything starts; what is wrong with one is said with its number.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..admission import json_from, text_from
from ..errors import FileFormatError, TrainingError
from ..models.loading import image_paths
from ..placeholders import substitute

__all__ = ["read_captions"]

NAME = "metadata.jsonl"
EXAMPLE = '{{"file_name": "{}", "text": "a cat {} a stone"}}'


def read_captions(folder: str | Path, placeholder: str) -> list[str]:
    """The prompts of a folder's photos, in the order of ``read_photos``.

    Args:
        placeholder: every prompt holds it, between two things.

    Raises: FileFormatError, for a line that says no photo's prompt, or a photo without a line; TrainingError,
        for a prompt without the placeholder, or without a thing before and after it.
    """
    path, names = Path(folder) / NAME, [image.name for image in image_paths(folder)]
    example = EXAMPLE.format(names[0], placeholder)
    captions: dict[str, str] = {}
    for number, line in _lines(path, example):
        where = f"{path}, line {number}"
        name, text = _entry(where, line, example)
        if name not in names:
            raise FileFormatError(f"{where}: '{name}' is no photo in '{folder}'. Mend its file_name.")
        if name in captions:
            raise FileFormatError(f"{where}: '{name}' had a prompt already. Keep one of the two.")
        _check(where, text, placeholder)
        captions[name] = text
    for name in names:
        if name not in captions:
            raise FileFormatError(
                f"{path}: has no prompt for '{name}'. Add a line: {EXAMPLE.format(name, placeholder)}"
            )
    return [captions[name] for name in names]


def _lines(path: Path, example: str) -> list[tuple[int, str]]:
    """The lines that hold something, each with its number."""
    try:
        lines = text_from(path, encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise FileFormatError(
            f"'{path.parent}' holds no readable {NAME}, which gives each photo's prompt. Write it in UTF-8, "
            f"a line a photo: {example}"
        ) from error
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _entry(where: str, line: str, example: str) -> tuple[str, str]:
    try:
        data = json_from(line)
        name, text = data["file_name"], data["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{where}: is not like {example}") from error
    if not (isinstance(name, str) and isinstance(text, str)):
        raise FileFormatError(f"{where}: its file_name and text must be texts, like {example}")
    return name, text


def _check(where: str, text: str, placeholder: str) -> None:
    spans = substitute(text, [(placeholder, "")]).spans
    if not spans:
        raise TrainingError(f"{where}: {text!r} does not hold {placeholder!r}. Put it between two things.")
    if not all(re.search(r"\w", part) for part in (text[: spans[0][0]], text[spans[-1][1] :])):
        raise TrainingError(
            f"{where}: {text!r} names no thing before or none after {placeholder!r}, which is a relation of "
            f'two. Name both, as in "a cat {placeholder} a stone".'
        )
