"""Which token of a prompt goes with which of its anchor twin, in the rows that ComfyUI makes of them.

A clip's tokenizer splits a text at its weights and embeddings, wraps it into a template, cuts it into rows,
and tells no characters. So a phrase is found by what changes without it: the text is tokenised again with
another word in its place, and the tokens that stay at either end are not the phrase's. Two such words,
because one of them may begin or end as the phrase does.

    a phrase's tokens   with the anchor's, in proportion
    other words         with themselves
    BOS, EOS            with those of the same row, or of the twin's last
    padding             with padding at the same place of the row, or the nearest
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from ..adjusters import Role
from ..alignment import ALONE
from ..alignment.tokens import common_start
from ..alignment.words import spread
from ..errors import PipelineError
from ..pipelines.pairing import Owners, Pairing
from ..placeholders import Span, Substitution

__all__ = ["Spelling", "Tokenise", "is_rows", "item_of", "pair", "spelling_of"]

PROBES = ("the", "of")
WORD, START, END, PAD = "word", "start", "end", "pad"

Tokenise = Callable[[str], dict[str, Any]]
"""A clip's ``tokenize(text, return_word_ids=True)``: by encoder rows of (token, weight, which word)."""


@dataclass(frozen=True)
class Token:
    """One token as an encoder sees it: in which row and where, and what of: a word, or a mark."""

    row: int
    place: int
    item: Hashable
    kind: str


@dataclass(frozen=True)
class Spelling:
    """How one encoder of a clip has texts spelled.

    Args:
        key: the encoder's, among the tokenizer's results.
        encoder: itself; its width and its marks count.
    """

    tokenise: Tokenise
    key: str
    encoder: Any

    def tokens(self, text: str) -> list[Token]:
        """All of a text's tokens, row after row."""
        return [
            Token(row, place, *each)
            for row, tokens in enumerate(self.tokenise(text)[self.key])
            for place, each in enumerate(self._kinds(tokens))
        ]

    def words(self, text: str) -> list[Hashable]:
        """The items of the words alone."""
        return [token.item for token in self.tokens(text) if token.kind == WORD]

    def within(self, text: str, span: Span) -> range:
        """Which of the words are those of a span: all that the text has not without it."""
        words = self.words(text)
        others = [self.words(text[: span[0]] + probe + text[span[1] :]) for probe in PROBES]
        head = min(common_start(words, other) for other in others)
        tail = min(common_start(words[::-1], other[::-1]) for other in others)
        return range(head, max(head, len(words) - tail))

    @cached_property
    def width(self) -> int:
        return int(self.encoder.transformer.get_input_embeddings().weight.shape[-1])

    def _kinds(self, tokens: Sequence[Any]) -> Iterator[tuple[Hashable, str]]:
        """What each token of a row is. Learned vectors of another encoder are left out, as the encoder does,
        which fills the row up with padding."""
        fitting = [token for token in tokens if _width(token[0]) in (None, self.width)]
        at = [place for place, (*_, word) in enumerate(fitting) if word]
        first, last = (at[0], at[-1]) if at else (len(fitting), len(fitting))
        start, end = (self.encoder.special_tokens.get(mark) for mark in ("start", "end"))
        if not at:  # an empty row: whatever follows BOS comes after its words
            first = last = int(bool(fitting) and start is not None and fitting[0][0] == start)
            last -= 1
        for place, (item, _, _) in enumerate(fitting):
            if first <= place <= last:
                yield item_of(item), WORD
            elif place == first - 1 and start is not None and item == start:
                yield item, START
            elif place == last + 1 and end is not None and item == end:
                yield item, END
            else:
                yield item_of(item), PAD
        for _ in range(len(tokens) - len(fitting)):
            yield None, PAD


def item_of(token: Any) -> Hashable:
    """A token as what can be compared: its id, or a learned vector's bytes."""
    if isinstance(token, Tensor):
        return bytes(token.detach().float().cpu().contiguous().numpy().tobytes())
    return token if isinstance(token, Hashable) else id(token)


def spelling_of(tokenise: Tokenise, text: str, encoder: Any, rows: Sequence[Sequence[Any]]) -> Spelling:
    """The spelling of an encoder that was given these rows for a text.

    Raises: PipelineError, where the rows are none of the tokenizer's.
    """
    given = [[item_of(token) for token in row] for row in rows]
    for key, value in tokenise(text).items():
        if is_rows(value):
            own = [[item_of(token[0]) for token in row] for row in value]
            if own == given[: len(own)] and len(given) - len(own) <= 1:
                return Spelling(tokenise, key, encoder)
    raise PipelineError(
        f"TEA: {type(encoder).__name__} is given other tokens than its tokenizer makes of {text!r}, so which "
        "are whose cannot be told. Use another text encoder, or bake the embedding."
    )


def pair(prompt: Spelling, twin: Spelling, found: Substitution) -> Pairing | None:
    """Pair the tokens of a prompt with those of its twin; numbered through all rows.

    Args:
        found: the prompt, the twin, and where concepts stand in both; its pairs are numbered as concepts.

    Returns: None where both say the same to this encoder.
    """
    ours, theirs = prompt.tokens(found.text), twin.tokens(found.new_text)
    if [token.item for token in ours] == [token.item for token in theirs]:
        return None
    everyone = tuple(sorted(set(found.pairs)))
    partners = _of_marks(ours, theirs)
    owners: list[Owners] = [everyone] * len(ours)
    roles = [Role.REST] * len(ours)
    places = [i for i, token in enumerate(ours) if token.kind == WORD]
    twins = [i for i, token in enumerate(theirs) if token.kind == WORD]
    for i in prompt.within(found.text, (0, len(found.text))):
        roles[places[i]] = Role.CONTEXT
    end = new_end = 0
    spans = [prompt.within(found.text, span) for span in found.spans]
    new_spans = [twin.within(found.new_text, span) for span in found.new_spans]
    for number, span, new in zip(found.pairs, spans, new_spans, strict=True):
        _pair_context(ours, theirs, places[end : span.start], twins[new_end : new.start], partners)
        own, candidates = places[span.start : span.stop], twins[new.start : new.stop]
        for i, partner in zip(own, spread(len(own), candidates) if candidates else (), strict=False):
            partners[i] = partner
        for i in own:
            owners[i], roles[i] = (number,), Role.CONCEPT
        end, new_end = span.stop, new.stop
    _pair_context(ours, theirs, places[end:], twins[new_end:], partners)
    return Pairing(tuple(partners), tuple(owners), tuple(roles), everyone)


def _pair_context(
    ours: Sequence[Token], theirs: Sequence[Token], places: list[int], twins: list[int], partners: list[int]
) -> None:
    """The same words in both; where they are spelled otherwise beside a phrase, they stay alone."""
    one, two = [ours[i].item for i in places], [theirs[i].item for i in twins]
    head = common_start(one, two)
    tail = min(common_start(one[::-1], two[::-1]), min(len(one), len(two)) - head)
    for i, partner in zip(places[:head], twins[:head], strict=True):
        partners[i] = partner
    for i, partner in zip(places[len(one) - tail :], twins[len(two) - tail :], strict=True):
        partners[i] = partner


def _of_marks(ours: Sequence[Token], theirs: Sequence[Token]) -> list[int]:
    """Partners of BOS, EOS and padding; words alone."""
    last = theirs[-1].row
    candidates: dict[tuple[int, str], list[int]] = {}
    for i, token in enumerate(theirs):
        candidates.setdefault((token.row, token.kind), []).append(i)

    def partner(token: Token) -> int:
        there: Iterable[int] = candidates.get((min(token.row, last), token.kind), ())
        return min(there, key=lambda i: abs(theirs[i].place - token.place), default=ALONE)

    return [ALONE if token.kind == WORD else partner(token) for token in ours]


def is_rows(value: Any) -> bool:
    """Whether a value among a tokenizer's results is rows of tokens, and no setting of some model's."""
    return isinstance(value, list) and all(isinstance(row, list) for row in value)


def _width(item: Any) -> int | None:
    return int(item.shape[-1]) if isinstance(item, Tensor) else None
