"""What a LoRA is fitted on: many contexts around a concept, and texts without it that are to stay.

Half are the sentences that ship with ``diagnosis``, opened and turned in several ways, half are random words
of the model's own vocabulary: what the fit finds has to hold whatever else a prompt says. Of the sentences
some are kept back, and what is said of a result is measured on these.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..diagnosis.contexts import shipped
from ..errors import PlaceholderError, Setting

__all__ = ["Captions", "captions"]

KINDS = ("animals", "objects", "people")
KEPT_BACK = 10  # every tenth sentence
WORDS = (2, 12)  # around the concept, in a caption of random words
OPENINGS = ("", "a photo of ", "a painting of ", "a close-up of ", "a drawing of ")
ARTICLES = ("", "", "a ", "the ")
TRIES = 50  # for each caption
EMPTY = 0.15  # of the texts that stay


@dataclass(frozen=True)
class Captions:
    """Texts.

    Args:
        fitted: with ``{}`` where the concept goes.
        staying: without the concept; the empty prompt among them.
        kept_back, others: the same two, of sentences that are in neither.
    """

    fitted: tuple[str, ...]
    staying: tuple[str, ...]
    kept_back: tuple[str, ...]
    others: tuple[str, ...]


def captions(
    anchor: str, words: Sequence[str], fits: Callable[[str], bool], count: int, measured: int, seed: int
) -> Captions:
    """Captions for one concept.

    Args:
        anchor: what it is; texts that stay are about it, and about other things.
        words: of the model's vocabulary.
        fits: whether a text encoder hears a caption to its end.
        count: of those that are fitted, and of those that stay.
        measured: how many of each kind are kept back.
        seed: the same, the same captions.

    Raises: PlaceholderError, where nothing fits.
    """
    rng = random.Random(seed)
    sentences = [text for kind in KINDS for text in shipped(kind).templates if fits(text)]
    apart = sentences[::KEPT_BACK]
    endings = set(map(_ending, apart))
    others = [text for text in sentences if _ending(text) not in endings]  # of another kind, it may end alike

    def some(count: int, make: Callable[[int], str]) -> Iterator[str]:
        found = 0
        for i in range(TRIES * count):
            if found == count:
                return
            if fits(caption := make(i)):
                found += 1
                yield caption
        if found < count:
            raise PlaceholderError(
                "bake(): the text encoder has no room for more than the concept's own words. Give shorter "
                "ones, with ",
                Setting("placeholder"),
                ".",
            )

    def for_fitting(i: int) -> str:
        return _turned(rng, rng.choice(others)) if others and i % 2 else _random_words(rng, words)

    def kept_apart(i: int) -> str:
        return apart[i % len(apart)] if apart else _random_words(rng, words)

    subjects = (anchor, f"a {anchor}", "thing", "person", "")

    def without(template: str) -> str:
        return "" if rng.random() < EMPTY else _said(template, rng.choice(subjects))

    fitted = tuple(some(count, for_fitting))
    staying = tuple(map(without, some(count, for_fitting)))
    kept_back = tuple(some(measured, kept_apart))
    return Captions(
        fitted, ("", *staying), kept_back, ("", *(_said(x, rng.choice(subjects)) for x in kept_back))
    )


def _said(template: str, subject: str) -> str:
    return " ".join(template.replace("{}", subject).split())


def _turned(rng: random.Random, sentence: str) -> str:
    """A sentence that begins "a {} …" in another wording: another opening, or the concept at its end."""
    rest = _ending(sentence)
    concept = f"{rng.choice(ARTICLES)}{{}}"
    if rest and rng.random() < 0.25:
        return f"{rest}, {concept}"
    return f"{rng.choice(OPENINGS)}{concept} {rest}".strip()


def _ending(sentence: str) -> str:
    return sentence.partition("{} ")[2]


def _random_words(rng: random.Random, words: Sequence[str]) -> str:
    said = rng.choices(words, k=rng.randint(*WORDS))
    said.insert(rng.randrange(len(said) + 1), "{}")
    return " ".join(said)
