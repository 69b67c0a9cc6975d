"""Pairs what a text encoder was given for a prompt with what it was given for the anchor twin.

The twin is the prompt with every placeholder replaced by its anchor. Where a row of token ids is what one of
the pipeline's tokenizers makes of the user's own prompt, it says which words are where. Otherwise both rows
are read back as text by whichever tokenizer made them, and where in it the user's prompt stands tells its
words from a template's.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..adjusters import Role
from ..alignment import ALONE, Tokens, has_offsets, pair_ends, pair_tokens, phrase_of_tokens
from ..components import Pipeline, Tokenizer, tokenizers
from ..concept import Concept
from ..errors import UncollapseWarning
from ..placeholders import Span, mentions, substitute
from .readings import Reading, known, nobody_types_padding, read_back

__all__ = ["Owners", "Pairing", "TokenGroup", "pair", "same_text", "to_twin"]

Owners = tuple[int, ...]
"""Numbers of concepts, in order."""

TokenGroup = tuple[Owners, Role]
"""What a token belongs to: whose it is, and what it stands for."""


@dataclass(frozen=True)
class Pairing:
    """Which token of one row moves toward which of its twin.

    Args:
        partners: for each token the position of its partner, or ``ALONE``.
        owners: for each token the numbers of the concepts that it follows: a placeholder's tokens their own,
            all others every concept of the row.
        roles: for each token what it stands for. REST throughout where no tokenizer can read the row.
        everyone: the numbers of all concepts in the row.
    """

    partners: tuple[int, ...]
    owners: tuple[Owners, ...]
    roles: tuple[Role, ...]
    everyone: Owners

    @property
    def groups(self) -> list[TokenGroup | None]:
        """For each token its group; None for one without a partner, which stays where it is."""
        return [
            None if partner == ALONE else (owners, role)
            for partner, owners, role in zip(self.partners, self.owners, self.roles, strict=True)
        ]

    @property
    def pooled(self) -> Pairing:
        """That of a vector which stands for the whole row, as a row of one."""
        return Pairing((0,), (self.everyone,), (Role.REST,), self.everyone)


def to_twin(concepts: Sequence[Concept], text: str) -> str:
    """The prompt with anchors for placeholders."""
    return substitute(text, [(c.placeholder, c.anchor) for c in concepts]).new_text


def pair(
    pipe: Pipeline,
    concepts: Sequence[Concept],
    prompt: Sequence[int],
    anchor: Sequence[int],
    texts: Sequence[str] = (),
) -> Pairing:
    """Pair two rows of token ids, each word with itself.

    First by the user's own prompts, where a row is what a tokenizer makes of one of them; then by the text
    that is read back from the row, where a template changed it. Where neither says what the row says, only
    what both rows begin and end with is paired, with a warning.

    Args:
        texts: the prompts as the user gave them. A row that holds one of them has a template around it; in
            any other, all words are the user's.
    """
    texts = [text for text in texts if any(mentions(text, c.placeholder) for c in concepts)]
    for readings in (known, read_back):
        for tokenizer in filter(has_offsets, tokenizers(pipe)):
            for reading in readings(pipe, tokenizer, concepts, prompt, texts):
                located = reading.located(tokenizer, prompt, anchor)
                if located is not None:
                    return _by_words(reading, *located, len(concepts))
    return _by_ends(pipe, concepts, prompt, anchor, texts)


def _by_words(reading: Reading, tokens: Tokens, twin: Tokens, concepts: int) -> Pairing:
    words = reading.words
    numbers = [number % concepts for number in words.pairs]
    everyone = tuple(sorted(set(numbers)))
    phrases = phrase_of_tokens(tokens, words.spans)
    return Pairing(
        partners=tuple(pair_tokens(tokens, words.spans, twin, words.new_spans)),
        owners=tuple(everyone if phrase == ALONE else (numbers[phrase],) for phrase in phrases),
        roles=tuple(_roles(tokens, phrases, reading.users)),
        everyone=everyone,
    )


def _roles(tokens: Tokens, phrases: Sequence[int], users: Sequence[Span]) -> Iterator[Role]:
    for start, special, phrase in zip(tokens.starts, tokens.special, phrases, strict=True):
        if special:
            yield Role.REST
        elif phrase != ALONE:
            yield Role.CONCEPT
        else:
            yield Role.CONTEXT if any(begin <= start < end for begin, end in users) else Role.REST


def _by_ends(
    pipe: Pipeline,
    concepts: Sequence[Concept],
    prompt: Sequence[int],
    anchor: Sequence[int],
    texts: Sequence[str],
) -> Pairing:
    """Which words are whose cannot be told: every token follows every concept."""
    known_here = tokenizers(pipe)
    pads = [int(pad) for each in known_here if (pad := getattr(each, "pad_token_id", None)) is not None]
    inner_padding = nobody_types_padding(known_here, concepts, texts)
    found = substitute(" ".join(texts), [(c.placeholder, c.anchor) for c in concepts])
    marks = {i for each in known_here for i in _marks(each)}
    partners = pair_ends(prompt, anchor, pads, len(found.spans) == 1, inner_padding, marks)
    if ALONE in partners:
        warnings.warn(
            f"{partners.count(ALONE)} of {len(partners)} tokens stay as they are: what a text encoder of "
            f"{type(pipe).__name__} is given for {list(texts)} cannot be told word by word, so only what the "
            "prompt and its anchor twin begin and end with is adjusted there.",
            UncollapseWarning,
            stacklevel=2,
        )
    everyone, count = tuple(range(len(concepts))), len(prompt)
    return Pairing(tuple(partners), (everyone,) * count, (Role.REST,) * count, everyone)


def _marks(tokenizer: Tokenizer) -> set[int]:
    """Ids of BOS, EOS and the like; not of the unknown token, which stands for words."""
    return {*getattr(tokenizer, "all_special_ids", ())} - {getattr(tokenizer, "unk_token_id", None)}


def same_text(prompt: Sequence[int], anchor: Sequence[int]) -> bool:
    """Whether two rows differ in nothing but how far they are padded, on either side."""
    longer, shorter = sorted((list(prompt), list(anchor)), key=len, reverse=True)
    more = len(longer) - len(shorter)
    if not more:
        return longer == shorter
    on_the_right = longer[:-more] == shorter and len(set(longer[-more:])) == 1
    on_the_left = longer[more:] == shorter and len(set(longer[:more])) == 1
    return on_the_right or on_the_left
