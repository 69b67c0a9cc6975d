"""Pairs the tokens of a prompt with those of its anchor twin, word by word.

"a sks cat wearing a hat" and "a cat wearing a hat" differ in length, so pairing by position would rotate
"wearing" toward "a". Since the twin was made by replacing known characters (``placeholders.substitute``)
and the tokenizer says which characters each token covers, the pairing is exact:

    context words       with themselves, by the characters they cover
    placeholder tokens  with the anchor's, spread in proportion, the last with the last
    BOS, EOS, …         each with its own kind
    padding             with padding at the same position, else with the nearest
    anything else       with nothing (−1), and so left alone: a word cut off in the other prompt

In Stable Diffusion the padding after EOS carries the sentence's meaning, so it must be paired too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from .placeholders import Span

__all__ = ["Tokens", "pair_tokens", "phrase_of_tokens", "tokenize"]

ALONE = -1


@dataclass(frozen=True)
class Tokens:
    """One text as the encoder sees it, a value per position.

    Args:
        ids: token ids.
        starts: where in the text the token's first visible character is; without meaning for specials.
        special: True for tokens the tokenizer added: BOS, EOS, padding.
        padding: True for padding.
    """

    ids: tuple[int, ...]
    starts: tuple[int, ...]
    special: tuple[bool, ...]
    padding: tuple[bool, ...]


def tokenize(tokenizer, text: str, length: int) -> Tokens:
    """Tokenise ``text`` as pipelines do, cut and padded to ``length``, with the characters behind each token.

    Args:
        tokenizer: a fast tokenizer of transformers (one with offsets).
    """
    encoded = tokenizer(
        text,
        padding="max_length",
        max_length=length,
        truncation=True,
        return_attention_mask=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
    )
    return Tokens(
        ids=tuple(encoded["input_ids"]),
        starts=tuple(_first_visible(text, start) for start, _ in encoded["offset_mapping"]),
        special=tuple(bool(x) for x in encoded["special_tokens_mask"]),
        padding=tuple(not x for x in encoded["attention_mask"]),
    )


def _first_visible(text: str, start: int) -> int:
    """Some tokenizers count the space before a word as its own, some do not: skip it."""
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def pair_tokens(
    prompt: Tokens, prompt_spans: Sequence[Span], anchor: Tokens, anchor_spans: Sequence[Span]
) -> list[int]:
    """For each position of the prompt, the position of its partner in the anchor twin, or −1.

    Args:
        prompt: the prompt's tokens.
        prompt_spans: characters of each placeholder in it, in order.
        anchor: the anchor twin's tokens.
        anchor_spans: characters of the anchor that replaced each of them.

    >>> one = Tokens((9, 5, 6, 7, 8), (0, 0, 4, 8, 0), (True, False, False, False, True), (False,) * 5)
    >>> two = Tokens((9, 6, 7, 8), (0, 0, 4, 0), (True, False, False, True), (False,) * 4)
    >>> pair_tokens(one, [(0, 7)], two, [(0, 3)])  # "sks cat sat" with "cat sat"
    [0, 1, 1, 2, 3]
    """
    partners = [ALONE] * len(prompt.ids)
    anchor_groups = _grouped(anchor, anchor_spans)
    for label, positions in _grouped(prompt, prompt_spans).items():
        for position, partner in zip(
            positions, _partners(label, positions, anchor_groups[label]), strict=True
        ):
            partners[position] = partner
    return partners


def _partners(label: tuple, positions: list[int], candidates: list[int]) -> list[int]:
    """Where the tokens of one label go among the anchor's tokens of that label."""
    if not candidates:
        return [ALONE] * len(positions)
    if label[0] == "padding":
        return [min(candidates, key=lambda c: abs(c - position)) for position in positions]
    if label[0] == "phrase":
        here, there = len(positions), len(candidates)
        return [candidates[((i + 1) * there - 1) // here] for i in range(here)]
    missing = max(0, len(positions) - len(candidates))
    return [ALONE] * missing + candidates[max(0, len(candidates) - len(positions)) :]


def _grouped(tokens: Tokens, spans: Sequence[Span]) -> defaultdict[tuple, list[int]]:
    """Positions by what they stand for, the same label in both prompts for what belongs together."""
    groups: defaultdict[tuple, list[int]] = defaultdict(list)
    for position, start in enumerate(tokens.starts):
        if tokens.padding[position]:
            groups["padding",].append(position)
        elif tokens.special[position]:
            groups["special", tokens.ids[position]].append(position)
        else:
            groups[_place(start, spans)].append(position)
    return groups


def _place(start: int, spans: Sequence[Span]) -> tuple:
    """("phrase", which) inside a span; ("context", after how many spans, how far after) outside."""
    after = 0
    for which, (begin, end) in enumerate(spans):
        if start < begin:
            return "context", which, start - after
        if start < end:
            return "phrase", which
        after = end
    return "context", len(spans), start - after


def phrase_of_tokens(tokens: Tokens, spans: Sequence[Span]) -> list[int]:
    """For each position, the index of the span it lies in, or −1 for context, specials and padding."""
    phrases = [ALONE] * len(tokens.ids)
    for label, positions in _grouped(tokens, spans).items():
        if label[0] == "phrase":
            for position in positions:
                phrases[position] = label[1]
    return phrases
