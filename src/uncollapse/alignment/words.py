"""Two rows of located tokens, paired by what each token stands for.

    context words       with themselves, by the characters they cover
    placeholder tokens  with the anchor's, spread in proportion, the last with the last; they are all tokens
                        that cover any of its characters, a quote before it included: CLIP's "'s" of "'sks"
    BOS, EOS, …         each with its own kind
    padding             with padding at the same position, else with the nearest
    anything else       with nothing (−1), and so left alone: a word cut off in the other prompt, or split
                        otherwise there

In Stable Diffusion the padding after EOS carries the sentence's meaning, so it must be paired too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..placeholders import Span
from .tokens import NOWHERE, Tokens, common_start

__all__ = ["ALONE", "pair_tokens", "phrase_of_tokens", "spread"]

ALONE = -1

Label = tuple[str, int] | tuple[str, int, int] | tuple[str, int, int, int]
"""What a token stands for, and which of them."""


def pair_tokens(
    prompt: Tokens, prompt_spans: Sequence[Span], anchor: Tokens, anchor_spans: Sequence[Span]
) -> list[int]:
    """For each position of the prompt, the position of its partner in the anchor twin, or −1.

    Args:
        prompt: the prompt's tokens.
        prompt_spans: characters of each placeholder in it, in order.
        anchor: the anchor twin's tokens.
        anchor_spans: characters of the anchor that replaced each of them.

    >>> special = (True, False, False, False, True)
    >>> one = Tokens((9, 5, 6, 7, 8), (0, 0, 4, 8, 0), (0, 3, 7, 11, 0), special, (False,) * 5)
    >>> two = Tokens((9, 6, 7, 8), (0, 0, 4, 0), (0, 3, 7, 0), (True, False, False, True), (False,) * 4)
    >>> pair_tokens(one, [(0, 7)], two, [(0, 3)])  # "sks cat sat" with "cat sat"
    [0, 1, 1, 2, 3]
    """
    partners = [ALONE] * len(prompt.ids)
    anchor_groups = _grouped(anchor, anchor_spans)
    for label, positions in _grouped(prompt, prompt_spans).items():
        candidates = anchor_groups[label]
        if label[0] == "context" and len(positions) != len(candidates):  # bytes of one letter, some cut off
            ids = [anchor.ids[candidate] for candidate in candidates]
            same = common_start([prompt.ids[position] for position in positions], ids)
            positions, candidates = positions[:same], candidates[:same]
        found = _partners(label, positions, candidates)
        for position, partner in zip(positions, found, strict=True):
            partners[position] = partner
    return partners


def _partners(label: Label, positions: list[int], candidates: list[int]) -> list[int]:
    """Where the tokens of one label go among the anchor's tokens of that label."""
    if not candidates:
        return [ALONE] * len(positions)
    if label[0] == "padding":
        return [min(candidates, key=lambda c: abs(c - position)) for position in positions]
    if label[0] == "phrase":
        return spread(len(positions), candidates)
    return [*candidates, *[ALONE] * len(positions)][: len(positions)]


def spread(count: int, candidates: Sequence[int]) -> list[int]:
    """``count`` partners among the candidates in proportion, the last with the last."""
    return [candidates[((i + 1) * len(candidates) - 1) // count] for i in range(count)]


def _grouped(tokens: Tokens, spans: Sequence[Span]) -> defaultdict[Label, list[int]]:
    """Positions by what they stand for, the same label in both prompts for what belongs together."""
    groups: defaultdict[Label, list[int]] = defaultdict(list)
    after_text = 0
    for position, (start, end) in enumerate(zip(tokens.starts, tokens.ends, strict=True)):
        if tokens.padding[position]:
            groups["padding", 0].append(position)
            continue
        if tokens.special[position]:
            groups["special", tokens.ids[position], after_text].append(position)
            continue
        after_text = 1
        if start != NOWHERE:
            groups[_place(start, end, spans)].append(position)
    return groups


def _place(start: int, end: int, spans: Sequence[Span]) -> Label:
    """("phrase", which) where it meets a span; ("context", after how many spans, from, to) outside."""
    after = 0
    for which, (begin, stop) in enumerate(spans):
        if start < begin and end <= begin:
            return "context", which, start - after, end - after
        if start < stop:
            return "phrase", which
        after = stop
    return "context", len(spans), start - after, end - after


def phrase_of_tokens(tokens: Tokens, spans: Sequence[Span]) -> list[int]:
    """For each position, the index of the span it lies in, or −1 for context, specials and padding."""
    phrases = [ALONE] * len(tokens.ids)
    for label, positions in _grouped(tokens, spans).items():
        if label[0] == "phrase":
            for position in positions:
                phrases[position] = label[1]
    return phrases
