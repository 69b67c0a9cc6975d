"""Anchors: from the word a concept started from to its token ids and its vector.

An anchor is always *tokenised as text*, never looked up. In CLIP's vocabulary "man" is the word-internal
piece (id 723) and the word of a prompt is "man</w>" (786); a look-up finds the wrong one and says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .components import Tokenizer, TokenizesText
from .errors import AnchorError
from .geometry import norm, unit
from .placeholders import mentions

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["anchor_token_ids", "anchor_vector", "check_anchor", "looked_up"]


def check_anchor(anchor: str, placeholder: str) -> None:
    """Raise AnchorError unless ``anchor`` can stand in for ``placeholder``."""
    if not isinstance(anchor, str) or not anchor.strip():
        raise AnchorError(
            f"the anchor of {placeholder!r} is {anchor!r}, so there is nothing to move toward. "
            'Name what the concept is in a word or a few, such as anchor="dog".'
        )
    if mentions(anchor, placeholder):
        raise AnchorError(
            f"the anchor {anchor!r} holds the placeholder {placeholder!r} itself, so it would move toward "
            "itself. "
            'Name what it is in ordinary words, such as anchor="dog".'
        )


def anchor_token_ids(tokenizer: TokenizesText, anchor: str) -> list[int]:
    """Token ids of ``anchor`` as it stands inside a prompt: after a space, without BOS or EOS.

    The space matters: byte-level tokenizers have one token for "dog" and another for " dog".

    Raises: AnchorError, when the tokenizer makes nothing known of it.
    """
    lead = "a "
    if getattr(tokenizer, "is_fast", False):
        encoded = tokenizer(lead + anchor, add_special_tokens=False, return_offsets_mapping=True)
        offsets = encoded["offset_mapping"]
        ids = [i for i, (_, end) in zip(encoded["input_ids"], offsets, strict=True) if end > len(lead)]
    else:
        ids = tokenizer(anchor, add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids)
    ids = [i for i in ids if i not in special]
    if not ids:
        raise AnchorError(
            f"the tokenizer ({type(tokenizer).__name__}) knows no token of the anchor {anchor!r}. Use an "
            "ordinary word of the model's language."
        )
    return ids


def looked_up(tokenizer: Tokenizer, anchor: str) -> list[int]:
    """The vocabulary's entry of the anchor's very letters, as the released code takes it: in CLIP's the piece
    inside words, and not the word. For reproducing its figures alone.

    Raises: AnchorError, when there is no such entry.
    """
    found = tokenizer.convert_tokens_to_ids(anchor)
    if found is None or tokenizer.convert_ids_to_tokens(found) != anchor:
        raise AnchorError(
            f"the vocabulary has no entry {anchor!r}, and the released code looks anchors up by their "
            "letters. Take an anchor of one token, or an adjuster that finds anchors by their text."
        )
    return [found]


def anchor_vector(
    token_embeds: Float[Tensor, "vocabulary dim"], token_ids: list[int]
) -> Float[Tensor, " dim"]:
    """One vector for an anchor of one or more tokens: their mean direction, at their mean norm.

        c = mean(|e_i|) · unit(Σ e_i)

    For one token that is its row. For several, the plain mean would be shorter than any of them (by √k for
    k rows at right angles, as rows nearly are), and β is measured against |c|.

    Args:
        token_embeds: the token table, ``[vocabulary, dim]``.
        token_ids: from ``anchor_token_ids``.

    Returns: ``[dim]``, float32 or wider.
    Raises: AnchorError, when the rows are zero or cancel.
    """
    rows = token_embeds[token_ids]
    if len(token_ids) == 1:
        c = rows[0].to(torch.promote_types(rows.dtype, torch.float32))
    else:
        c = norm(rows).mean() * unit(rows.to(torch.promote_types(rows.dtype, torch.float32)).sum(0))
    if not c.isfinite().all() or not c.any():
        raise AnchorError(
            f"the token rows {token_ids} of the anchor sum to no finite, non-zero vector, so there is "
            "nothing to move toward. Use another anchor word."
        )
    return c
