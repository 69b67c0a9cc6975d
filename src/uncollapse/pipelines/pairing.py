"""Pairs what a text encoder was given for a prompt with what it was given for the anchor twin.

The twin is the prompt with every placeholder replaced by its anchor. Both rows of token ids are read back as
text by whichever of the pipeline's tokenizers made them: templates, cleaned captions and learned tokens
spelled out, ``<t> <t>_1 <t>_2``, are then part of the text like any other words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from ..alignment import ALONE, align, locate, pair_tokens, phrase_of_tokens, read
from ..components import tokenizers
from ..concept import Concept
from ..placeholders import substitute

__all__ = ["Pairing", "pair", "same_text", "to_twin"]


@dataclass(frozen=True)
class Pairing:
    """Which token of one row moves toward which of its twin.

    Args:
        partners: for each token the position of its partner, or ``ALONE``.
        owners: for each token the numbers of the concepts that it follows: a placeholder's tokens their own,
            all others every concept of the row.
        everyone: the numbers of all concepts in the row.
    """

    partners: tuple[int, ...]
    owners: tuple[tuple[int, ...], ...]
    everyone: tuple[int, ...]


def to_twin(concepts: Sequence[Concept], text: str) -> str:
    """The prompt with anchors for placeholders."""
    return substitute(text, [(c.placeholder, c.anchor) for c in concepts]).new_text


def pair(pipe, concepts: Sequence[Concept], prompt: Sequence[int], anchor: Sequence[int]) -> Pairing:
    """Pair two rows of token ids: exactly where a tokenizer can read them, else by which ids are equal."""
    for tokenizer in tokenizers(pipe):
        pairing = _by_words(pipe, tokenizer, concepts, prompt, anchor)
        if pairing is not None:
            return pairing
    equal = torch.tensor(prompt)[:, None] == torch.tensor(anchor)
    everyone = tuple(range(len(concepts)))
    return Pairing(tuple(align(equal)), (everyone,) * len(prompt), everyone)


def _by_words(pipe, tokenizer, concepts, prompt, anchor) -> Pairing | None:
    found = read(tokenizer, prompt)
    if found is None:
        return None
    text, tokens = found
    words = substitute(text, _phrases(pipe, tokenizer, concepts))
    twin = locate(tokenizer, anchor, words.new_text) if words.spans else None
    if twin is None:
        return None
    numbers = [number % len(concepts) for number in words.pairs]
    everyone = tuple(sorted(set(numbers)))
    phrases = phrase_of_tokens(tokens, words.spans)
    owners = (everyone if phrase == ALONE else (numbers[phrase],) for phrase in phrases)
    partners = pair_tokens(tokens, words.spans, twin, words.new_spans)
    return Pairing(tuple(partners), tuple(owners), everyone)


def _phrases(pipe, tokenizer, concepts: Iterable[Concept]) -> list[tuple[str, str]]:
    """(placeholder, anchor), as this tokenizer's text spells them: first with learned tokens spelled out."""
    convert = getattr(pipe, "maybe_convert_prompt", None) or (lambda words, tokenizer: words)

    def spell(words: str) -> str:
        ids = tokenizer(convert(words, tokenizer), add_special_tokens=False)["input_ids"]
        return tokenizer.decode(ids, clean_up_tokenization_spaces=False).strip() or words

    return [(spell(c.placeholder), convert(c.anchor, tokenizer)) for c in concepts] + [
        (c.placeholder, convert(c.anchor, tokenizer)) for c in concepts
    ]


def same_text(prompt: Sequence[int], anchor: Sequence[int]) -> bool:
    """Whether two rows differ in nothing but how far they are padded, on either side."""
    longer, shorter = sorted((list(prompt), list(anchor)), key=len, reverse=True)
    more = len(longer) - len(shorter)
    if not more:
        return longer == shorter
    on_the_right = longer[:-more] == shorter and len(set(longer[-more:])) == 1
    on_the_left = longer[more:] == shorter and len(set(longer[:more])) == 1
    return on_the_right or on_the_left
