"""What a row of token ids may say: its text, and where in it the user's own words are.

First the user's prompts, as they are and as pipelines change them; then the row's own text, read back by a
tokenizer: templates and cleaned captions are then part of the text like any other words. Learned tokens are
spelled out, ``<t> <t>_1 <t>_2``.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..alignment import Tokens, decoded, locate, text_of
from ..components import Pipeline, Tokenizer
from ..concept import Concept
from ..placeholders import Span, Substitution, substitute
from .retyping import retyped, users_part

__all__ = ["Reading", "known", "read_back"]


@dataclass(frozen=True)
class Reading:
    """What a row may say.

    Args:
        words: its text, and its twin's.
        users: where in it the user's own words are.
        whole: whether it is all that the row can say; else the last word may be cut off.
        inner_padding: whether what pads is padding within the row too.
    """

    words: Substitution
    users: Sequence[Span]
    whole: bool
    inner_padding: bool = False

    def located(
        self, tokenizer: Tokenizer, prompt: Sequence[int], anchor: Sequence[int]
    ) -> tuple[Tokens, Tokens] | None:
        """Where in the texts the tokens of the two rows are; None, when this is not what the rows say."""
        words, how = self.words, (not self.whole, self.inner_padding)
        tokens = locate(tokenizer, prompt, words.text, *how) if words.spans else None
        twin = locate(tokenizer, anchor, words.new_text, *how) if tokens else None
        if tokens is None or twin is None or (self.whole and not (tokens.all_placed and twin.all_placed)):
            return None
        return tokens, twin


def known(
    pipe: Pipeline,
    tokenizer: Tokenizer,
    concepts: Sequence[Concept],
    prompt: Sequence[int],
    texts: Sequence[str],
) -> Iterator[Reading]:
    """The user's prompts, as they are and as pipelines change them."""
    given = [(c.placeholder, c.anchor) for c in concepts]
    spelled = [(_spelled(pipe, one, tokenizer), _spelled(pipe, two, tokenizer)) for one, two in given]
    for text in texts:
        for change in CHANGES:
            phrases = [(change(one), change(two)) for one, two in spelled + given]
            changed = change(_spelled(pipe, text, tokenizer))
            yield Reading(substitute(changed, phrases), [(0, len(changed))], whole=True)


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


def read_back(
    pipe: Pipeline,
    tokenizer: Tokenizer,
    concepts: Sequence[Concept],
    prompt: Sequence[int],
    texts: Sequence[str],
) -> Iterator[Reading]:
    """The row's own text: with the user's prompts as they were typed, and as it is.

    Placeholders are looked for in the user's part first, as a template's words stay.
    """
    if max(prompt, default=0) >= len(tokenizer):
        return
    inner_padding = nobody_types_padding([tokenizer], concepts, texts)
    text, phrases = text_of(tokenizer, prompt, inner_padding), _phrases(pipe, tokenizer, concepts)
    own = [_spelled(pipe, each, tokenizer).strip() for each in texts]
    for whole, users in retyped(text, own):
        yield Reading(_within(whole, users, phrases), users, False, inner_padding)
    users = users_part(text, own)
    for spans in (users, [(0, len(text))]):
        yield Reading(_within(text, spans, phrases), users, False, inner_padding)


def nobody_types_padding(
    tokenizers: Iterable[Tokenizer], concepts: Iterable[Concept], texts: Iterable[str]
) -> bool:
    """Whether what pads within a row can be nothing but padding: "!" pads for some tokenizers."""
    pads = {str(getattr(each, "pad_token", None)) for each in tokenizers}
    typed = (*texts, *(concept.anchor for concept in concepts))
    return not any(pad in text for pad in pads for text in typed)


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
