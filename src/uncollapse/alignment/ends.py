"""Two rows of token ids that cannot be read, paired by what both begin and end with."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .tokens import common_start
from .words import ALONE, spread

__all__ = ["pair_ends"]


def pair_ends(
    prompt: Sequence[int],
    anchor: Sequence[int],
    pads: Collection[int] = (),
    one_phrase: bool = False,
    inner_padding: bool = False,
    marks: Collection[int] = (),
) -> list[int]:
    """Pair two rows of token ids that cannot be read: what both begin with, and what both end with.

    What lies between, and what may belong to either end, is left alone; so is what lies after the first
    difference where one of the rows may be cut off, which has no padding.

    Args:
        pads: ids that pad. Padding goes with padding, in its place or the nearest.
        one_phrase: whether the two differ in one place alone, so that what lies between is the placeholder
            in the one and the anchor in the other.
        inner_padding: whether repeated pads within a row are padding too, not words that read alike.
        marks: ids that are no words, such as EOS: where a row may be cut off, only such a one at its end is
            the other's for certain.

    >>> pair_ends([9, 1, 50, 51, 2, 8, 8], [9, 1, 60, 2, 8, 8, 8], pads=[8], one_phrase=True)
    [0, 1, 2, 2, 3, 4, 6]
    """
    ours, theirs = (_unpadded(ids, pads, inner_padding) for ids in (prompt, anchor))
    one, two = [prompt[i] for i in ours], [anchor[i] for i in theirs]
    head, tail = common_start(one, two), common_start(one[::-1], two[::-1])
    same_length = len(prompt) == len(anchor)
    padded = {len(one) < len(prompt), len(two) < len(anchor)}
    certain = padded == {True} or not same_length
    if not certain:
        tail = int(tail > 0 and one[-1] in marks)
    either = max(0, head + tail - min(len(one), len(two)))
    head, tail = head - either, tail - either
    between = [ALONE] * (len(one) - head - tail)
    if one_phrase and certain and not either and between and len(two) > head + tail:
        between = spread(len(between), theirs[head : len(two) - tail])
    partners = dict(zip(ours, [*theirs[:head], *between, *theirs[len(two) - tail :]], strict=True))
    padding = sorted({*range(len(anchor))} - {*theirs})
    for i in {*range(len(prompt))} - {*ours}:
        partners[i] = min(padding, key=lambda c: abs(c - i), default=ALONE)
    return [partners[i] for i in range(len(prompt))]


def _unpadded(ids: Sequence[int], pads: Collection[int], inner_padding: bool) -> list[int]:
    """The places of what is not padding. The pad beside a row's words may be a BOS or EOS, and counts as one;
    of padding within the row, the first does."""
    begin, end = 0, len(ids)
    while begin + 1 < end and ids[begin] in pads and ids[begin + 1] == ids[begin]:
        begin += 1
    while end - 1 > begin and ids[end - 1] in pads and ids[end - 2] == ids[end - 1]:
        end -= 1
    again = {i for i in range(begin + 1, end) if inner_padding and ids[i] in pads and ids[i] == ids[i - 1]}
    return [i for i in range(begin, end) if i not in again]
