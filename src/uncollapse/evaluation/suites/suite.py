"""`Suite`: what is asked of a method: concepts with their photos, and prompts for each.

Every layout of files on disk becomes one of these, and nothing that comes after knows where it was read from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ...comparison import UserPrompt
from ...errors import FileFormatError, Setting

__all__ = ["NO_CONTEXTS", "Suite", "SuiteConcept", "SuitePrompt"]

NO_CONTEXTS = "The suite states no contexts: each is its prompt without the subject."

Split = Literal["dev", "test"]


@dataclass(frozen=True)
class SuitePrompt:
    """One prompt, in the four texts that scores compare a picture with.

    Args:
        asked: what is drawn, ``{}`` in the stead of the whole subject: "a photo of {} in the snow".
        context: what it asks for around the subject: "in the snow".
        concept: the subject alone, in ordinary words: "dog".
        full: the whole in ordinary words: "a photo of dog in the snow".
        published: as its authors print it, where that differs from ``asked``: "a {0} {1} in the snow".
    """

    asked: str
    context: str
    concept: str
    full: str
    published: str = ""

    @classmethod
    def about(
        cls,
        class_word: str,
        published: str,
        *,
        context: str | None = None,
        concept: str | None = None,
        full: str | None = None,
    ) -> SuitePrompt:
        """A prompt as its authors print it, the gap for the new word before the class word or in its stead.

        Args:
            class_word: what the subject is.
            published: with one gap: "{} barn in the snow", "a {0} {1} in the snow", "a photo of {}".
            context, concept, full: where the suite states them; else they follow from the prompt.

        >>> SuitePrompt.about("barn", "{} barn in the snow").full
        'barn in the snow'
        """
        asked = published.replace("{0} {1}", "{}").replace(f"{{}} {class_word}", "{}")
        return cls(
            asked,
            UserPrompt(asked).context if context is None else context,
            class_word if concept is None else concept,
            asked.replace("{}", class_word) if full is None else full,
            published if published != asked else "",
        )

    @property
    def as_published(self) -> str:
        """The words that the suite's authors print."""
        return self.published or self.asked


@dataclass(frozen=True)
class SuiteConcept:
    """A subject: what it is called, what it is, its photos, and the prompts that are asked about it.

    Args:
        name: unique in the suite; part of files' names.
        class_word: what it is, in ordinary words: "dog", "carved by".
        photos: files; none of a relation that is only described.
        prompts: about it.
        photo: the one that scores with a single reference look at; None for the first.
    """

    name: str
    class_word: str
    photos: tuple[Path, ...]
    prompts: tuple[SuitePrompt, ...]
    photo: Path | None = None

    @property
    def every_photo(self) -> tuple[Path, ...]:
        """All of them, with the one that single references are, wherever it lies."""
        return tuple(dict.fromkeys([*self.photos, *filter(None, [self.photo])]))

    @property
    def one_photo(self) -> Path | None:
        """The photo that scores with a single reference look at, where there are any."""
        return self.photo or next(iter(self.photos), None)


@dataclass(frozen=True)
class Suite:
    """Concepts, each with prompts of its own.

    Args:
        name: of the layout, or as its author calls it.
        concepts: at least one, each with prompts; no two of one name.
        notes: what was taken for granted, for people to read.
        keeps: what has to live as long as the photos are looked at.

    Raises: FileFormatError, which says what is missing or double.
    """

    name: str
    concepts: tuple[SuiteConcept, ...]
    notes: tuple[str, ...] = ()
    keeps: object = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.concepts:
            raise FileFormatError(f"The suite '{self.name}' has no concepts. Give another folder.")
        seen: set[str] = set()
        for concept in self.concepts:
            _check(self.name, concept)
            if concept.name in seen:
                raise FileFormatError(
                    f"The suite '{self.name}' has two concepts called '{concept.name}'. Rename one of them."
                )
            seen.add(concept.name)

    def of(self, names: Sequence[str]) -> Suite:
        """With these concepts only.

        Raises: FileFormatError, for a name that it has not.
        """
        known = {concept.name: concept for concept in self.concepts}
        for name in names:
            if name not in known:
                raise FileFormatError(
                    f"The suite '{self.name}' has no concept '{name}', only {', '.join(known)}. Give one of "
                    "these with ",
                    Setting("concept"),
                    ".",
                )
        return replace(self, concepts=tuple(known[name] for name in dict.fromkeys(names)))

    def split(self, which: Split) -> Suite:
        """One half of the concepts: "dev", to choose settings on, or "test", to report on.

        A concept's half follows from its name alone, so that it is the same on every machine.

        Raises: FileFormatError, where that half is empty.
        """
        chosen = tuple(each for each in self.concepts if _half(each.name) == which)
        if not chosen:
            raise FileFormatError(
                f"No concept of '{self.name}' falls into '{which}'. Leave ", Setting("split"), " out."
            )
        return replace(self, concepts=chosen)


def _half(name: str) -> Split:
    return "dev" if hashlib.sha256(name.encode()).digest()[0] % 2 else "test"


def _check(suite: str, concept: SuiteConcept) -> None:
    what = f"The suite '{suite}': the concept '{concept.name}'"
    if not concept.prompts:
        raise FileFormatError(f"{what} has no prompts. Give it some, or take it out.")
    if not all(prompt.asked.strip() for prompt in concept.prompts):
        raise FileFormatError(f"{what} has an empty prompt. Take the empty line out.")
    for photo in concept.every_photo:
        if not photo.is_file():
            raise FileFormatError(f"{what} has no photo at '{photo}'. Download or copy it again.")
