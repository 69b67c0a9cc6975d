"""Pairs what a text encoder was given for a prompt with what it was given for the anchor twin.

The twin is the prompt with every placeholder replaced by its anchor. Both rows of token ids are read back as
text by whichever of the pipeline's tokenizers made them: templates, cleaned captions and learned tokens
spelled out, ``<t> <t>_1 <t>_2``, are then part of the text like any other words. Where in that text the
user's own prompt stands tells its words from those of a template around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from ..adjusters import Role
from ..alignment import ALONE, Tokens, align, locate, pair_tokens, phrase_of_tokens, read
from ..components import Pipeline, Tokenizer, tokenizers
from ..concept import Concept
from ..placeholders import Span, mentions, substitute

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
    def pooled(self) -> TokenGroup:
        """The group of a vector that stands for the whole row."""
        return self.everyone, Role.REST


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
    """Pair two rows of token ids: exactly where a tokenizer can read them, else by which ids are equal.

    Args:
        texts: the prompts as the user gave them. A row that holds one of them has a template around it; in
            any other, all words are the user's.
    """
    for tokenizer in tokenizers(pipe):
        pairing = _by_words(pipe, tokenizer, concepts, prompt, anchor, texts)
        if pairing is not None:
            return pairing
    equal = torch.tensor(prompt)[:, None] == torch.tensor(anchor)
    everyone, count = tuple(range(len(concepts))), len(prompt)
    return Pairing(tuple(align(equal)), (everyone,) * count, (Role.REST,) * count, everyone)


def _by_words(
    pipe: Pipeline,
    tokenizer: Tokenizer,
    concepts: Sequence[Concept],
    prompt: Sequence[int],
    anchor: Sequence[int],
    texts: Sequence[str],
) -> Pairing | None:
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
    own = [
        _spelled(pipe, each, tokenizer)
        for each in texts
        if any(mentions(each, c.placeholder) for c in concepts)
    ]
    return Pairing(
        partners=tuple(pair_tokens(tokens, words.spans, twin, words.new_spans)),
        owners=tuple(everyone if phrase == ALONE else (numbers[phrase],) for phrase in phrases),
        roles=tuple(_roles(tokenizer, tokens, phrases, _users_part(text, own))),
        everyone=everyone,
    )


def _roles(
    tokenizer: Tokenizer, tokens: Tokens, phrases: Sequence[int], users: Sequence[Span]
) -> Iterator[Role]:
    for position, (start, phrase) in enumerate(zip(tokens.starts, phrases, strict=True)):
        if tokens.special[position] or _ends_template(tokenizer, tokens, position, users):
            yield Role.REST
        elif phrase != ALONE:
            yield Role.CONCEPT
        else:
            yield Role.CONTEXT if any(begin <= start < end for begin, end in users) else Role.REST


def _ends_template(tokenizer: Tokenizer, tokens: Tokens, position: int, users: Sequence[Span]) -> bool:
    """Whether this is a line break before the user's first word: it counts as that word's beginning."""
    start = tokens.starts[position]
    at_first_word = start > 0 and any(start == begin for begin, _ in users)
    return at_first_word and tokenizer.decode([tokens.ids[position]]).isspace()


def _users_part(text: str, prompts: Iterable[str]) -> list[Span]:
    """Where in ``text`` the longest of ``prompts`` that is there stands, whatever its case and spacing.

    Returns: all of it, when none is: it was cleaned or cut off, and what a template would be cannot be told.
    """
    letters, places = _letters(text)
    for prompt in sorted((_letters(each)[0] for each in prompts), key=len, reverse=True):
        spans, begin = [], letters.find(prompt)
        while prompt and begin >= 0:
            end = begin + len(prompt)
            spans.append((places[begin], places[end - 1] + 1))
            begin = letters.find(prompt, end)
        if spans:
            return spans
    return [(0, len(text))]


def _letters(text: str) -> tuple[str, list[int]]:
    """The visible characters of ``text`` in small letters, and where in it each is."""
    found = [
        (small, i) for i, letter in enumerate(text) if not letter.isspace() for small in letter.casefold()
    ]
    return "".join(small for small, _ in found), [i for _, i in found]


def _phrases(pipe: Pipeline, tokenizer: Tokenizer, concepts: Iterable[Concept]) -> list[tuple[str, str]]:
    """(placeholder, anchor), as this tokenizer's text spells them: first with learned tokens spelled out."""

    def read_back(words: str) -> str:
        ids = tokenizer(_spelled(pipe, words, tokenizer), add_special_tokens=False)["input_ids"]
        return tokenizer.decode(ids, clean_up_tokenization_spaces=False).strip() or words

    anchors = [_spelled(pipe, c.anchor, tokenizer) for c in concepts]
    spellings = [[read_back(c.placeholder) for c in concepts], [c.placeholder for c in concepts]]
    return [pair for placeholders in spellings for pair in zip(placeholders, anchors, strict=True)]


def _spelled(pipe: Pipeline, words: str, tokenizer: Tokenizer) -> str:
    """Words as a pipeline of diffusers gives them to its tokenizer: learned tokens spelled out."""
    convert = getattr(pipe, "maybe_convert_prompt", None)
    return str(convert(words, tokenizer)) if convert else words


def same_text(prompt: Sequence[int], anchor: Sequence[int]) -> bool:
    """Whether two rows differ in nothing but how far they are padded, on either side."""
    longer, shorter = sorted((list(prompt), list(anchor)), key=len, reverse=True)
    more = len(longer) - len(shorter)
    if not more:
        return longer == shorter
    on_the_right = longer[:-more] == shorter and len(set(longer[-more:])) == 1
    on_the_left = longer[more:] == shorter and len(set(longer[:more])) == 1
    return on_the_right or on_the_left
