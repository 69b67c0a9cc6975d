"""What a row of token ids says, and where in the text each token is.

Padding is none of the text, wherever it stands: some pipelines fill a prompt up to a fixed length and go on
with the rest of their template.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from ..components import Tokenizer
from ..placeholders import Span

__all__ = ["NOWHERE", "Tokens", "common_start", "decoded", "has_offsets", "locate", "text_of"]

NOWHERE = -1


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


def text_of(tokenizer: Tokenizer, ids: Sequence[int], inner_padding: bool = False) -> str:
    """The text that is read back from one row that an encoder was given, without BOS, EOS and padding.

    ``locate`` tells whether it makes the same ids again. If not, they may be another tokenizer's.

    Args:
        inner_padding: whether what pads is padding within the row too, not at its ends alone.
    """
    own, begin, end = _frame(tokenizer, ids, inner_padding)
    return decoded(tokenizer, [ids[i] for i in own[begin:end]])


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


def locate(
    tokenizer: Tokenizer, ids: Sequence[int], text: str, cut_off: bool = False, inner_padding: bool = False
) -> Tokens | None:
    """Where in ``text`` each of ``ids`` is; None when ``text`` does not tokenise into them.

    Either may go on after the other ends, when the encoder's window cut it off.

    Args:
        cut_off: whether the text's last word may be cut between its pieces, so that it tokenises otherwise.
            Its tokens are then ``NOWHERE``.
        inner_padding: whether what pads is padding within the row too, not at its ends alone. It may be a
            word there: "!" pads for some tokenizers.
    """
    own, begin, end = _frame(tokenizer, ids, inner_padding)
    row = [ids[i] for i in own]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    words, offsets = list(encoded["input_ids"]), encoded["offset_mapping"]
    for start in range(begin, -1, -1):
        same = common_start(row[start:], words)
        end = max(end, start + same)  # the text itself may begin and end with what looks like a BOS or EOS
        complete = same == min(end - start, len(words))
        if complete or (cut_off and len(text[offsets[same][0] :].split()) <= 1):
            break
    else:
        return None
    places = dict.fromkeys(own[start:end], (NOWHERE, NOWHERE))
    places |= zip(own[start:], (_visible(text, *offset) for offset in offsets[:same]), strict=False)
    spans, kept = [places.get(i, (0, 0)) for i in range(len(ids))], {*own}
    return Tokens(
        ids=tuple(ids),
        starts=tuple(start for start, _ in spans),
        ends=tuple(end for _, end in spans),
        special=tuple(i not in places for i in range(len(ids))),
        padding=tuple(i not in kept for i in range(len(ids))),
    )


def common_start(one: Sequence[Hashable], two: Sequence[Hashable]) -> int:
    """How many items two sequences begin with in common."""
    differ = (i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b)
    return next(differ, min(len(one), len(two)))


def _frame(tokenizer: Tokenizer, ids: Sequence[int], inner_padding: bool) -> tuple[list[int], int, int]:
    """The places of what is not padding, and where among them the text's own tokens begin and end, between
    BOS and EOS."""
    pad, special = tokenizer.pad_token_id, {*tokenizer.all_special_ids} - {_unknown_id(tokenizer)}
    left, right = 0, len(ids)
    while left < right and ids[left] == pad != tokenizer.bos_token_id:
        left += 1
    while right > left and ids[right - 1] == pad:
        right -= 1
    if pad == tokenizer.eos_token_id and right < len(ids):
        right += 1  # EOS pads too: the first of its run is the EOS
    ends = (left, right - 1)  # which may be a BOS or EOS that pads elsewhere
    own = [i for i in range(left, right) if not (inner_padding and ids[i] == pad and i not in ends)]
    begin, end = 0, len(own)
    while begin < end and ids[own[begin]] in special:
        begin += 1
    while end > begin and ids[own[end - 1]] in special:
        end -= 1
    return own, begin, end


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
