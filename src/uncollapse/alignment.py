"""Pairs the tokens of a prompt with those of its anchor twin, word by word.

"a sks cat wearing a hat" and "a cat wearing a hat" differ in length, so pairing by position would rotate
"wearing" toward "a". The text is known, or read back from an encoder's token ids (``text_of``), templates
around the prompt and all; the twin was made by replacing known characters (``placeholders.substitute``), and
the tokenizer says which characters each token covers (``locate``), so the pairing is exact (``pair_tokens``):

    context words       with themselves, by the characters they cover
    placeholder tokens  with the anchor's, spread in proportion, the last with the last; they are all tokens
                        that cover any of its characters, a quote before it included: CLIP's "'s" of "'sks"
    BOS, EOS, …         each with its own kind
    padding             with padding at the same position, else with the nearest
    anything else       with nothing (−1), and so left alone: a word cut off in the other prompt, or split
                        otherwise there

In Stable Diffusion the padding after EOS carries the sentence's meaning, so it must be paired too.

Where tokens cannot be read as text, ``pair_ends`` pairs what two rows begin and end with, and where there are
no tokens to be seen, ``align`` pairs two sequences by what their items look like.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .components import Tokenizer
from .placeholders import Span

__all__ = [
    "Tokens",
    "align",
    "decoded",
    "has_offsets",
    "locate",
    "pair_ends",
    "pair_tokens",
    "phrase_of_tokens",
    "text_of",
]

ALONE = -1
NOWHERE = -1
Label = (
    tuple[str, int] | tuple[str, int, int] | tuple[str, int, int, int]
)  # what a token stands for, and which of them


@dataclass(frozen=True)
class Tokens:
    """One text as the encoder sees it, a value per position.

    Args:
        ids: token ids.
        starts: where in the text the token's first visible character is; a space that is a token of its own
            is where the word begins that follows it at once. ``NOWHERE`` for what the text does not hold;
            without meaning for specials.
        ends: where its last character ends.
        special: True for tokens the tokenizer added: BOS, EOS, padding.
        padding: True for padding.
    """

    ids: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    special: tuple[bool, ...]
    padding: tuple[bool, ...]

    @property
    def all_placed(self) -> bool:
        """Whether the text holds every token that is not special."""
        return all(special or at != NOWHERE for at, special in zip(self.starts, self.special, strict=True))


def text_of(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text that is read back from one row that an encoder was given, without BOS, EOS and padding.

    ``locate`` tells whether it makes the same ids again. If not, they may be another tokenizer's.
    """
    begin, end, _ = _frame(tokenizer, ids)
    return decoded(tokenizer, ids[begin:end])


def has_offsets(tokenizer: Tokenizer) -> bool:
    """Whether it can say which characters a token covers."""
    return bool(getattr(tokenizer, "is_fast", False))


UNKNOWN = "\U00013000"
"""A letter that vocabularies lack (an Egyptian hieroglyph): becomes the unknown token again."""


def decoded(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of token ids; one that makes the same ids again, if there is any."""
    text = tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)
    unknown = getattr(tokenizer, "unk_token", None)
    if unknown and _unknown_id(tokenizer) in ids:
        text = text.replace(unknown, UNKNOWN)
    # A deep copy of CLIP's tokenizer has lost the decoder that transformers gave it, and spells the ends.
    return text.replace("</w>", " ").rstrip() if "</w>" in text else text


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    """The id of what the vocabulary lacks, where it is of no other use (CLIP's is its EOS)."""
    unknown: int | None = getattr(tokenizer, "unk_token_id", None)
    used = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return None if unknown in used else unknown


def locate(tokenizer: Tokenizer, ids: Sequence[int], text: str, cut_off: bool = False) -> Tokens | None:
    """Where in ``text`` each of ``ids`` is; None when ``text`` does not tokenise into them.

    Either may go on after the other ends, when the encoder's window cut it off.

    Args:
        cut_off: whether the text's last word may be cut between its pieces, so that it tokenises otherwise.
            Its tokens are then ``NOWHERE``.
    """
    begin, end, padding = _frame(tokenizer, ids)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    words, offsets = list(encoded["input_ids"]), encoded["offset_mapping"]
    own = [i for i, is_padding in enumerate(padding) if not is_padding]
    for start in range(begin, min(own, default=begin) - 1, -1):
        same = _common_start(ids[start : max(own, default=-1) + 1], words)
        end = max(end, start + same)  # the text itself may begin and end with what looks like a BOS or EOS
        complete = same == min(end - start, len(words))
        if complete or (cut_off and len(text[offsets[same][0] :].split()) <= 1):
            break
    else:
        return None
    places = [_visible(text, *offset) for offset in offsets[:same]]
    places += [(NOWHERE, NOWHERE)] * (end - start - same)
    before, after = [(0, 0)] * start, [(0, 0)] * (len(ids) - end)
    starts, ends = zip(*before, *places, *after, strict=True) if ids else ((), ())
    special = tuple(not start <= i < end for i in range(len(ids)))
    return Tokens(tuple(ids), starts, ends, special, tuple(padding))


def _common_start(one: Sequence[int], two: Sequence[int]) -> int:
    """How many items two sequences begin with in common."""
    differ = (i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b)
    return next(differ, min(len(one), len(two)))


def _frame(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[int, int, list[bool]]:
    """Where the text's own tokens begin and end, between BOS, EOS and padding; and which are padding."""
    pad, special = tokenizer.pad_token_id, {*tokenizer.all_special_ids} - {_unknown_id(tokenizer)}
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


def _visible(text: str, start: int, end: int) -> Span:
    """Some tokenizers count the space before a word as its own, some do not: skip it.

    A token that is nothing but a space is where the next word begins, if that follows at once; other blanks,
    line breaks and doubled spaces, are at a place of their own.
    """
    token = text[start:end]
    if token.strip():
        return start + len(token) - len(token.lstrip()), end
    begins_word = token in ("", " ") and end < len(text) and not text[end].isspace()
    return (end, end) if begins_word else (start, end)


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
            same = _common_start([prompt.ids[position] for position in positions], ids)
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
        return _spread(len(positions), candidates)
    return [*candidates, *[ALONE] * len(positions)][: len(positions)]


def _spread(count: int, candidates: Sequence[int]) -> list[int]:
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


def pair_ends(
    prompt: Sequence[int], anchor: Sequence[int], pads: Collection[int] = (), one_phrase: bool = False
) -> list[int]:
    """Pair two rows of token ids that cannot be read: what both begin with, and what both end with.

    What lies between, and what may belong to either end, is left alone; so is what lies after the first
    difference where one of the rows may be cut off, which has no padding. A template may go on after the
    padding, in both rows alike.

    Args:
        pads: ids that pad. Padding goes with padding, in its place or the nearest.
        one_phrase: whether the two differ in one place alone, so that what lies between is the placeholder
            in the one and the anchor in the other.

    >>> pair_ends([9, 1, 50, 51, 2, 8, 8], [9, 1, 60, 2, 8, 8, 8], pads=[8], one_phrase=True)
    [0, 1, 2, 2, 3, 4, 6]
    """
    here, there = _after_padding(prompt, pads), _after_padding(anchor, pads)
    if here < len(prompt) and there < len(anchor) and prompt[here:] == anchor[there:]:
        before = pair_ends(prompt[:here], anchor[:there], pads, one_phrase)
        return [*before, *range(there, len(anchor))]
    (first, last), (begin, end) = _unpadded(prompt, pads), _unpadded(anchor, pads)
    one, two = prompt[first:last], anchor[begin:end]
    head, tail = _common_start(one, two), _common_start(one[::-1], two[::-1])
    same_length = len(prompt) == len(anchor)
    padded = {len(one) < len(prompt), len(two) < len(anchor)}
    certain = padded == {True} or not same_length
    tail = tail if certain else min(tail, 1)  # EOS
    either = max(0, head + tail - min(len(one), len(two)))
    head, tail = head - either, tail - either
    between = [ALONE] * (len(one) - head - tail)
    if one_phrase and certain and not either and between and len(two) > head + tail:
        between = _spread(len(between), range(begin + head, end - tail))
    padding = [*range(begin), *range(end, len(anchor))]
    left, right = (
        [min(padding, key=lambda c: abs(c - i), default=ALONE) for i in places]
        for places in (range(first), range(last, len(prompt)))
    )
    return [*left, *range(begin, begin + head), *between, *range(end - tail, end), *right]


def _after_padding(ids: Sequence[int], pads: Collection[int]) -> int:
    """Where a row goes on after a run of padding within it; its length, where there is none."""
    doubled = (i for i in range(len(ids) - 2, 1, -1) if ids[i] in pads and ids[i - 1] == ids[i])
    last = next(doubled, len(ids))
    return last + 1 if last < len(ids) and ids[last + 1] not in pads else len(ids)


def _unpadded(ids: Sequence[int], pads: Collection[int]) -> Span:
    """Where a row begins and ends without its padding, but for the last of it, which may be a BOS or EOS."""
    begin, end = 0, len(ids)
    while begin + 1 < end and ids[begin] in pads and ids[begin + 1] == ids[begin]:
        begin += 1
    while end - 1 > begin and ids[end - 1] in pads and ids[end - 2] == ids[end - 1]:
        end -= 1
    return begin, end


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
