"""Whom an evaluation's pictures are to show: a folder of photos a concept, and what each is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import EvaluationError, Setting
from ..evaluation.judging import Subject
from ..models.loading import image_paths

__all__ = ["ClassWords", "Photos", "subjects_in"]

Photos = Annotated[
    Path, typer.Option(help="Folder with a folder of photos for each concept, named as the concept.")
]
ClassWords = Annotated[
    list[str] | None,
    typer.Option(
        "--class-word",
        metavar="CONCEPT=WORD",
        help="What a concept is, where its name does not say so: my-dog=dog; repeat for several.",
    ),
]


def subjects_in(
    photos: Path, concepts: Iterable[str], class_words: Sequence[str] | None
) -> dict[str, Subject]:
    """The subject of each concept that has a folder of photos.

    Raises: EvaluationError, for a word of a concept that is not there, or that is no word.
    """
    names = list(dict.fromkeys(concepts))
    words = dict(each.partition("=")[::2] for each in class_words or ())
    for name, word in words.items():
        if name not in names or not word:
            raise EvaluationError(
                Setting("class_word"),
                f"='{name}{'=' if word else ''}{word}' names no concept of this run and what it is. They are "
                f"{', '.join(names)}: give one of them as in {names[0] if names else 'my-dog'}=dog.",
            )
    return {
        name: Subject(words.get(name, name), tuple(image_paths(photos / name)))
        for name in names
        if (photos / name).is_dir()
    }
