"""What is asked about: a picture and a question each, and pairs of which every sane judge knows the order.

A judge sees pixels alone. A picture is written anew for it, at most 512 pixels wide or high and never
squashed, without its file's name and texts, which say by which arm it was drawn; and the order of all
questions is shuffled by a hash, so that no arm comes first.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...comparison import BASE
from ...errors import EvaluationError, FileFormatError
from ..cells import Cell
from .rubric import Question, Rubric

__all__ = ["Control", "Item", "Subject", "controls", "items", "pixels", "shuffled"]

SIDE = 512
PHOTOS = 3  # of the subject, at most
CONTROLS = 8  # pairs of each kind, at most

Key = tuple[str, str, str, str, int]  # concept, method, arm, prompt, seed


@dataclass(frozen=True)
class Subject:
    """Whom a concept's pictures are to show.

    Args:
        class_word: what it is: "dog".
        photos: of it.
    """

    class_word: str
    photos: tuple[Path, ...]


@dataclass(frozen=True)
class Item:
    """One question about one picture.

    Args:
        question: which.
        picture: the picture's file.
        text: what was asked for, in ordinary words.
        photos: of the subject, where the question shows them.
        about: concept, method, arm, prompt and seed; None for a control.
        repeat: how often it was asked before.
    """

    question: Question
    picture: Path
    text: str
    photos: tuple[Path, ...] = ()
    about: Key | None = None
    repeat: int = 0


@dataclass(frozen=True)
class Control:
    """Two items of which the first has to get the higher grade.

    Args:
        kind: "prompt of another picture", "base model's picture" or "another subject's photo".
        higher, lower: the items.
    """

    kind: Literal["prompt of another picture", "base model's picture", "another subject's photo"]
    higher: Item
    lower: Item


def items(
    cells: Iterable[Cell], subjects: Mapping[str, Subject], rubric: Rubric, folder: Path
) -> tuple[list[Item], list[Key]]:
    """Every question about every picture, once, and the pictures that are not there to be asked about.

    Args:
        cells: of a run; each picture counts once, whatever scores it has.
        subjects: by concept.
        rubric: the questions.
        folder: that the pictures are relative to.

    Raises: EvaluationError, for a concept without its subject.
    """
    pictures: dict[Key, str] = {}
    for cell in cells:
        key = (cell.concept, cell.method, cell.arm, cell.prompt, cell.seed)
        pictures[key] = pictures.get(key) or cell.picture
    if unknown := sorted({key[0] for key in pictures} - subjects.keys()):
        raise EvaluationError(
            f"Of '{unknown[0]}' there are no photos to hold pictures against. Put them into a folder of that "
            "name within the folder of photos."
        )
    asked = [
        Item(
            question,
            folder / picture,
            key[3].replace("{}", subjects[key[0]].class_word),
            subjects[key[0]].photos[:PHOTOS] if question.photos else (),
            key,
        )
        for key, picture in pictures.items()
        if picture
        for question in rubric.questions.values()
    ]
    return asked, [key for key, picture in pictures.items() if not picture]


def controls(asked: Sequence[Item], subjects: Mapping[str, Subject], rubric: Rubric) -> list[Control]:
    """Pairs that every sane judge ranks: as many as pictures and photos allow, eight of a kind at most.

    A picture of the base model's, with its own prompt and with that of another picture; a photo, with the
    other photos of its subject and with those of another; and beside such a photo the base model's picture.
    """
    question, likeness = rubric.questions["prompt"], rubric.questions["image"]
    base = [i for i in asked if i.question is question and i.about and i.about[2] == BASE.name]
    found: list[Control] = []
    for item, other in zip(base, base[1:] + base[:1], strict=True):
        if item.text != other.text:
            mismatched = Item(question, item.picture, other.text)
            found.append(
                Control("prompt of another picture", Item(question, item.picture, item.text), mismatched)
            )
    names = [name for name, subject in subjects.items() if len(subject.photos) > 1]
    for name, other_name in zip(names, names[1:] + names[:1], strict=True):
        photo, *rest = subjects[name].photos
        real = Item(likeness, photo, "", tuple(rest[:PHOTOS]))
        if name != other_name:
            stranger = Item(likeness, subjects[other_name].photos[0], "", tuple(rest[:PHOTOS]))
            found.append(Control("another subject's photo", real, stranger))
        drawn = [item.picture for item in base if item.about and item.about[0] == name]
        if drawn:
            found.append(
                Control("base model's picture", real, Item(likeness, drawn[0], "", tuple(rest[:PHOTOS])))
            )
    kinds = dict.fromkeys(each.kind for each in found)
    return [each for kind in kinds for each in [c for c in found if c.kind == kind][:CONTROLS]]


def shuffled(asked: Iterable[Item], seed: int = 0) -> list[Item]:
    """In an order that tells nothing of the arms, the same for the same seed, wherever the run lies."""

    def order(item: Item) -> bytes:
        own = f"{seed}|{item.question.name}|{item.about}|{item.picture.name}|{item.text}"
        return hashlib.sha256(own.encode()).digest()

    return sorted(asked, key=order)


def pixels(picture: Path) -> bytes:
    """A picture as a PNG of at most 512 pixels a side, with nothing else in it.

    Raises: FileFormatError.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(picture) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FileFormatError(
            f"'{picture}' cannot be read as a picture: {error}. Draw or copy it again."
        ) from error
    image.thumbnail((SIDE, SIDE))
    image.info.clear()
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
