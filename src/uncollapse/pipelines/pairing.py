"""Pairs what a text encoder was given for a prompt with what it was given for the anchor twin.

The twin is the prompt with every placeholder replaced by its anchor. Where a row of token ids is what one of
the pipeline's tokenizers makes of the user's own prompt, it says which words are where. Otherwise both rows
are read back as text by whichever tokenizer made them: templates and cleaned captions are then part of the
text like any other words, and where in it the user's prompt stands tells its words from a template's. Learned
tokens are spelled out in both, ``<t> <t>_1 <t>_2``.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..adjusters import Role
from ..alignment import (
    ALONE,
    Tokens,
    decoded,
    has_offsets,
    locate,
    pair_ends,
    pair_tokens,
    phrase_of_tokens,
    text_of,
)
from ..components import Pipeline, Tokenizer, tokenizers
from ..concept import Concept
from ..errors import UncollapseWarning
from ..placeholders import Span, Substitution, mentions, substitute

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
    """Pair two rows of token ids, each word with itself.

    First by the user's own prompts, where a row is what a tokenizer makes of one of them; then by the text
    that is read back from the row, where a template changed it. Where neither says what the row says, only
    what both rows begin and end with is paired, with a warning.

    Args:
        texts: the prompts as the user gave them. A row that holds one of them has a template around it; in
            any other, all words are the user's.
    """
    texts = [text for text in texts if any(mentions(text, c.placeholder) for c in concepts)]
    for readings in (_known, _read_back):
        for tokenizer in filter(has_offsets, tokenizers(pipe)):
            for reading in readings(pipe, tokenizer, concepts, prompt, texts):
                pairing = reading.pairing(tokenizer, len(concepts), prompt, anchor)
                if pairing is not None:
                    return pairing
    return _by_ends(pipe, concepts, prompt, anchor, texts)


@dataclass(frozen=True)
class _Reading:
    """What a row may say.

    Args:
        words: its text, and its twin's.
        users: where in it the user's own words are.
        whole: whether it is all that the row can say; else the last word may be cut off.
    """

    words: Substitution
    users: Sequence[Span]
    whole: bool

    def pairing(
        self, tokenizer: Tokenizer, concepts: int, prompt: Sequence[int], anchor: Sequence[int]
    ) -> Pairing | None:
        """None, when this is not what the two rows say."""
        words = self.words
        tokens = locate(tokenizer, prompt, words.text, cut_off=not self.whole) if words.spans else None
        twin = locate(tokenizer, anchor, words.new_text, cut_off=not self.whole) if tokens else None
        if tokens is None or twin is None or (self.whole and not (tokens.all_placed and twin.all_placed)):
            return None
        numbers = [number % concepts for number in words.pairs]
        everyone = tuple(sorted(set(numbers)))
        phrases = phrase_of_tokens(tokens, words.spans)
        return Pairing(
            partners=tuple(pair_tokens(tokens, words.spans, twin, words.new_spans)),
            owners=tuple(everyone if phrase == ALONE else (numbers[phrase],) for phrase in phrases),
            roles=tuple(_roles(tokens, phrases, self.users)),
            everyone=everyone,
        )


def _as_it_is(text: str) -> str:
    return text


def _blanks_joined(text: str) -> str:
    return " ".join(text.split())


def _lowered(text: str) -> str:
    return text.lower().strip()


def _unescaped(text: str) -> str:
    return _blanks_joined(html.unescape(html.unescape(text)))


CHANGES = (_as_it_is, _lowered, _blanks_joined, str.strip, _unescaped)
"""What encode methods do to a prompt before they give it to a tokenizer."""


def _known(
    pipe: Pipeline,
    tokenizer: Tokenizer,
    concepts: Sequence[Concept],
    prompt: Sequence[int],
    texts: Sequence[str],
) -> Iterator[_Reading]:
    """The user's prompts, as they are and as pipelines change them."""
    given = [(c.placeholder, c.anchor) for c in concepts]
    spelled = [(_spelled(pipe, one, tokenizer), _spelled(pipe, two, tokenizer)) for one, two in given]
    for text in texts:
        for change in CHANGES:
            phrases = [(change(one), change(two)) for one, two in spelled + given]
            changed = change(_spelled(pipe, text, tokenizer))
            yield _Reading(substitute(changed, phrases), [(0, len(changed))], whole=True)


def _read_back(
    pipe: Pipeline,
    tokenizer: Tokenizer,
    concepts: Sequence[Concept],
    prompt: Sequence[int],
    texts: Sequence[str],
) -> Iterator[_Reading]:
    """The row's own text: with the user's prompts as they were typed, and as it is.

    Placeholders are looked for in the user's part first, as a template's words stay.
    """
    if max(prompt, default=0) >= len(tokenizer):
        return
    text, phrases = text_of(tokenizer, prompt), _phrases(pipe, tokenizer, concepts)
    own = [_spelled(pipe, each, tokenizer).strip() for each in texts]
    for whole, users in _retyped(text, own):
        yield _Reading(_within(whole, users, phrases), users, whole=False)
    users = _users_part(text, own)
    for spans in (users, [(0, len(text))]):
        yield _Reading(_within(text, spans, phrases), users, whole=False)


def _retyped(text: str, prompts: Iterable[str]) -> Iterator[tuple[str, list[Span]]]:
    """``text`` with each of the prompts that are in it as it was typed, whole where ``text`` is cut off; and
    where it is."""
    letters, places = _letters(text.rstrip("\ufffd"))
    for prompt in sorted(prompts, key=len, reverse=True):
        typed = _letters(prompt)[0]
        spans = _occurrences(letters, places, typed)
        cuts = range(max(0, len(letters) - len(typed)), len(letters))
        cut = next((i for i in cuts if typed.startswith(letters[i:])), None)
        if not spans and cut is not None:
            spans = [(places[cut], len(text))]
        whole, done, users = "", 0, []
        for begin, end in spans:
            whole += text[done:begin] + prompt
            users.append((len(whole) - len(prompt), len(whole)))
            done = end
        if users:
            yield whole + text[done:], users


def _within(text: str, places: Iterable[Span], phrases: Sequence[tuple[str, str]]) -> Substitution:
    """``substitute`` in some parts of a text."""
    new_text, done = "", 0
    spans: list[Span] = []
    new_spans: list[Span] = []
    pairs: list[int] = []
    for begin, end in places:
        new_text += text[done:begin]
        part = substitute(text[begin:end], phrases)
        spans += [(begin + a, begin + b) for a, b in part.spans]
        new_spans += [(len(new_text) + a, len(new_text) + b) for a, b in part.new_spans]
        pairs += part.pairs
        new_text, done = new_text + part.new_text, end
    return Substitution(text, new_text + text[done:], tuple(spans), tuple(new_spans), tuple(pairs))


def _by_ends(
    pipe: Pipeline,
    concepts: Sequence[Concept],
    prompt: Sequence[int],
    anchor: Sequence[int],
    texts: Sequence[str],
) -> Pairing:
    """Which words are whose cannot be told: every token follows every concept."""
    pads = [int(pad) for each in tokenizers(pipe) if (pad := getattr(each, "pad_token_id", None)) is not None]
    found = substitute(" ".join(texts), [(c.placeholder, c.anchor) for c in concepts])
    partners = pair_ends(prompt, anchor, pads, one_phrase=len(found.spans) == 1)
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


def _roles(tokens: Tokens, phrases: Sequence[int], users: Sequence[Span]) -> Iterator[Role]:
    for start, special, phrase in zip(tokens.starts, tokens.special, phrases, strict=True):
        if special:
            yield Role.REST
        elif phrase != ALONE:
            yield Role.CONCEPT
        else:
            yield Role.CONTEXT if any(begin <= start < end for begin, end in users) else Role.REST


def _users_part(text: str, prompts: Iterable[str]) -> list[Span]:
    """Where in ``text`` the longest of ``prompts`` that is there stands, whatever its case and spacing.

    Returns: all of it, when none is: it was cleaned or cut off, and what a template would be cannot be told.
    """
    letters, places = _letters(text)
    for prompt in sorted((_letters(each)[0] for each in prompts), key=len, reverse=True):
        if spans := _occurrences(letters, places, prompt):
            return spans
    return [(0, len(text))]


def _occurrences(letters: str, places: Sequence[int], prompt: str) -> list[Span]:
    """Where in a text of these letters at these places a prompt's letters stand."""
    spans, begin = [], letters.find(prompt)
    while prompt and begin >= 0:
        end = begin + len(prompt)
        spans.append((places[begin], places[end - 1] + 1))
        begin = letters.find(prompt, end)
    return spans


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
        return decoded(tokenizer, ids).strip() or words

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
