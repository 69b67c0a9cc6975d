"""Anchors for an embedding without one: what its file says, what its name says, what it is near to.

A collapsed embedding has turned away from the word it started from, so the nearest words come after those of
its name. But what is no nearer than chance, a "jane" in a file's name, comes after all that are nearer; only
what the file itself states is believed in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..geometry import unit
from ..learned_embeds import LearnedEmbedding
from .tables import Vocabulary, vocabularies_for

__all__ = ["Suggestion", "suggest_anchors"]

STATED = ("uncollapse.anchor", "anchor", "initialiser", "initializer_token", "init_word")
TRIGGERS = ("modelspec.trigger_phrase", "instance_prompt")
STATED_IN_FILE = "stated"
NEAREST = 20  # words looked at for each vector


@dataclass(frozen=True)
class Suggestion:
    """An anchor, and what speaks for it.

    Args:
        anchor: the word.
        cosine: to the learned vectors, the mean over vectors and encoders.
        origin: "stated" in the file, in the "name" (or trigger phrase), or "nearest".
        poor: whether the nearest of as many random directions would have as large a cosine.
    """

    anchor: str
    cosine: float
    origin: str
    poor: bool


def suggest_anchors(
    embedding: LearnedEmbedding, vocabularies: Mapping[str, Vocabulary], count: int = 5
) -> list[Suggestion]:
    """Words that could be the embedding's anchor, the most trustworthy first: stated, in the name, nearest.

    Those in the name, or nearest, that are no nearer than chance come last, in the same order.

    Args:
        embedding: whose anchor is not known.
        vocabularies: of the model it was trained for, with tokenizers (``load_vocabularies``).
        count: how many at most.

    Raises: FileFormatError, when it is of another model, or a tokenizer is missing.
    """
    matches = vocabularies_for(embedding, vocabularies)
    own = [(rows, matches[name]) for name, rows in embedding.vectors.items()]
    directions = [(unit(rows.float()).mean(0), vocabulary) for rows, vocabulary in own]

    def cosine(anchor: str) -> float:
        each = [(mean @ unit(vocab.anchor_vector(anchor).float())).item() for mean, vocab in directions]
        return sum(each) / len(each)

    chance = sum(vocabulary.chance for _, vocabulary in own) / len(own)
    found: dict[str, Suggestion] = {}
    for origin, candidates in _candidates(embedding, own):  # the nearest words, slow to find, come last
        if sum(_believed(each) for each in found.values()) >= count:
            break
        ranked = sorted(((cosine(each), each) for each in candidates - set(found)), reverse=True)
        found |= {c: Suggestion(c, value, origin, value < chance) for value, c in ranked}
    return sorted(found.values(), key=lambda each: not _believed(each))[:count]


def _believed(suggestion: Suggestion) -> bool:
    return suggestion.origin == STATED_IN_FILE or not suggestion.poor


def _candidates(
    embedding: LearnedEmbedding, own: Sequence[tuple[Tensor, Vocabulary]]
) -> Iterator[tuple[str, set[str]]]:
    yield (
        STATED_IN_FILE,
        {embedding.metadata[key] for key in STATED if embedding.metadata.get(key, "").strip()},
    )
    texts = [embedding.placeholder, *(embedding.metadata.get(key, "") for key in TRIGGERS)]
    named = {word for text in texts for word in re.findall(r"[^\W\d_]{3,}", text.lower())}
    yield "name", {word for word in named if all(vocabulary.has(word) for _, vocabulary in own)}
    near = {word for rows, vocab in own for each in vocab.nearest(rows, NEAREST) for word, _ in each}
    yield "nearest", near
