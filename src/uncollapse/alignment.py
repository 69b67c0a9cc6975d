"""Pairs the tokens of a prompt with those of its anchor twin, word by word.

"a sks cat wearing a hat" and "a cat wearing a hat" differ in length, so pairing by position would rotate
"wearing" toward "a". An encoder's token ids are read back as text (``read``), templates around the prompt and
all; the twin was made by replacing known characters (``placeholders.substitute``), and the tokenizer says
which characters each token covers (``locate``), so the pairing is exact (``pair_tokens``):

    context words       with themselves, by the characters they cover
    placeholder tokens  with the anchor's, spread in proportion, the last with the last
    BOS, EOS, …         each with its own kind
    padding             with padding at the same position, else with the nearest
    anything else       with nothing (−1), and so left alone: a word cut off in the other prompt

In Stable Diffusion the padding after EOS carries the sentence's meaning, so it must be paired too.

Where tokens cannot be read as text, ``align`` pairs two sequences by what their items look like.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .components import Tokenizer
from .placeholders import Span

__all__ = ["Tokens", "align", "locate", "pair_tokens", "phrase_of_tokens", "read"]

ALONE = -1
Label = tuple[str, int] | tuple[str, int, int]  # what a token stands for, and which of them


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


def read(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[str, Tokens] | None:
    """The text that a tokenizer made ``ids`` of, and where in it each token is.

    Args:
        tokenizer: a tokenizer of transformers.
        ids: what the encoder was given: one row, BOS, EOS and padding included.

    Returns: None when it cannot be told: the tokenizer has no offsets, or these ids are not what it makes of
        the text that it reads in them, so that they are another tokenizer's.
    """
    if not getattr(tokenizer, "is_fast", False) or max(ids, default=0) >= len(tokenizer):
        return None
    begin, end, _ = _frame(tokenizer, ids)
    text = tokenizer.decode(list(ids[begin:end]), clean_up_tokenization_spaces=False)
    tokens = locate(tokenizer, ids, text)
    return None if tokens is None else (text, tokens)


def locate(tokenizer: Tokenizer, ids: Sequence[int], text: str) -> Tokens | None:
    """Where in ``text`` each of ``ids`` is; None when ``text`` does not tokenise into them.

    Either may go on after the other ends, when the encoder's window cut it off.
    """
    begin, end, padding = _frame(tokenizer, ids)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    common = min(end - begin, len(encoded["input_ids"]))
    if list(ids[begin : begin + common]) != list(encoded["input_ids"][:common]):
        return None
    offsets = [start for start, _ in encoded["offset_mapping"]][:common]
    starts = [_first_visible(text, start) for start in offsets]
    unknown = [len(text) + i for i in range(end - begin - common)]  # past the text's end, each its own place
    return Tokens(
        ids=tuple(ids),
        starts=(*[0] * begin, *starts, *unknown, *[0] * (len(ids) - end)),
        special=tuple(not begin <= i < end for i in range(len(ids))),
        padding=tuple(padding),
    )


def _frame(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[int, int, list[bool]]:
    """Where the text's own tokens begin and end, between BOS, EOS and padding; and which are padding."""
    pad, special = tokenizer.pad_token_id, set(tokenizer.all_special_ids)
    left, right = 0, len(ids)
    while left < right and ids[left] == pad != tokenizer.bos_token_id:
        left += 1
    while right > left and ids[right - 1] == pad:
        right -= 1
    if pad == tokenizer.eos_token_id and right < len(ids):
        right += 1  # EOS pads too: the first of its run is the EOS
    padding = [not left <= i < right for i in range(len(ids))]
    begin, end = left, right
    while begin < end and ids[begin] in special:
        begin += 1
    while end > begin and ids[end - 1] in special:
        end -= 1
    return begin, end, padding


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


def _partners(label: Label, positions: list[int], candidates: list[int]) -> list[int]:
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


def _grouped(tokens: Tokens, spans: Sequence[Span]) -> defaultdict[Label, list[int]]:
    """Positions by what they stand for, the same label in both prompts for what belongs together."""
    groups: defaultdict[Label, list[int]] = defaultdict(list)
    for position, start in enumerate(tokens.starts):
        if tokens.padding[position]:
            groups["padding", 0].append(position)
        elif tokens.special[position]:
            groups["special", tokens.ids[position]].append(position)
        else:
            groups[_place(start, spans)].append(position)
    return groups


def _place(start: int, spans: Sequence[Span]) -> Label:
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


REPEAT, SKIP = 0.1, 0.1  # what it costs to use a partner twice, or to pass some over


def align(similarity: Tensor) -> list[int]:
    """Pair two sequences in order, so that partners resemble each other most.

        maximise  Σ_i similarity[i, j(i)] − REPEAT·(repeats) − SKIP·(jumps),   j(0) ≤ j(1) ≤ …

    Args:
        similarity: ``[prompt tokens, anchor tokens]``: 1 for the same, cosines of embeddings, ….

    Returns: ``j``, one partner for each of the prompt's tokens.
    Source: dynamic time warping, with every prompt token matched once (Sakoe and Chiba, 1978).

    >>> prompt, twin = torch.tensor([5, 6, 7, 8, 9]), torch.tensor([5, 7, 8, 9])
    >>> align((prompt[:, None] == twin).double())
    [0, 0, 1, 2, 3]
    """
    scores = similarity.detach().double().cpu()
    count, others = scores.shape
    back = torch.zeros(count, others, dtype=torch.long)
    best = scores[0] - SKIP * (torch.arange(others) > 0)
    nothing = torch.full((1,), -torch.inf, dtype=torch.float64)
    for i in range(1, count):
        step = torch.cat([nothing, best[:-1]])
        furthest, where = torch.cummax(step, 0)
        jump = torch.cat([nothing, furthest[:-1]]) - SKIP
        jumped_from = torch.cat([torch.zeros(1, dtype=torch.long), where[:-1]]) - 1
        ways = torch.stack([step, best - REPEAT, jump])
        value, way = ways.max(0)
        here = torch.arange(others)
        back[i] = torch.stack([here - 1, here, jumped_from]).gather(0, way[None])[0]
        best = scores[i] + value
    partner = int((best - SKIP * (torch.arange(others) < others - 1)).argmax())
    partners = [partner]
    for i in range(count - 1, 0, -1):
        partner = int(back[i, partner])
        partners.append(partner)
    return partners[::-1]
