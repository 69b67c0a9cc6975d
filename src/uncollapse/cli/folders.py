"""What the commands on folders of embedding files share: how many became what, and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..learned_embeds.image import SUFFIXES as PICTURES

__all__ = ["INCOMPLETE", "is_plain_picture", "summary"]

INCOMPLETE = 1  # the exit code where files of a folder could not be read or written


def is_plain_picture(file: Path, foreign: bool) -> bool:
    """Whether it is as they lie beside embeddings, to show what these draw: counted, and not named."""
    return foreign and file.suffix.lower() in PICTURES


def summary(words: Iterable[str], pictures: int) -> str:
    """How many files became what, with the plain pictures last.

    >>> summary(["baked", "kept", "baked"], 1)
    '2 baked, 1 kept, 1 picture without an embedding.'
    """
    counts = [f"{number} {word}" for word, number in Counter(words).items()]
    plain = [f"{pictures} picture{'s' * (pictures > 1)} without an embedding"] if pictures else []
    return ", ".join([*counts, *plain]) + "."
