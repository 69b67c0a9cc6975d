"""Token level: the learned rows of the token table, for Textual Inversion.

v is a learned row, c the anchor's vector in the same table; every row of a multi-vector token moves.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..adjusters import Beside, adjust_rows
from ..anchors import anchor_token_ids, anchor_vector, looked_up
from ..components import TextEncoder, Tokenizer, token_table
from ..concept import Concept
from ..errors import EmbeddingError, PlaceholderError, UncollapseWarning
from ..placeholders import learned_tokens

__all__ = ["rewrite_rows"]

OUTCOME = 'its rows cannot be rewritten. level="prompt" works without touching them.'
UNDONE = "its adjusted rows cannot be written back. Undo that, and then remove() again."


def rewrite_rows(tokenizer: Tokenizer, text_encoder: TextEncoder, concept: Concept) -> Callable[[], None]:
    """Adjust the concept's learned rows in place.

    Returns: the undo, which writes the very bits back; it does not keep the encoder alive.
    Raises: PlaceholderError, when the placeholder has no learned token; PipelineError, when the token table
        cannot be written; EmbeddingError, naming the row, when one is zero or not finite.
    """
    names = learned_tokens(tokenizer, concept.placeholder)
    if not names:
        raise PlaceholderError(
            f"apply(): {concept.placeholder!r} is no learned token of this tokenizer, so there is no row to "
            "adjust. "
            'Load its embedding first (pipe.load_textual_inversion), or pass level="prompt".'
        )
    ids = tokenizer.convert_tokens_to_ids(names)
    table = _table(text_encoder, "apply()", OUTCOME)
    learned = table[ids].clone()
    _check_rows(names, learned)
    find = looked_up if concept.adjuster.beside is Beside.RELEASED else anchor_token_ids
    c = anchor_vector(table, find(tokenizer, concept.anchor))
    _write(table, ids, adjust_rows(concept.adjuster, learned, c, _vocabulary(tokenizer, table)))

    written = table[ids].clone()
    here = weakref.ref(text_encoder)

    def undo() -> None:
        encoder = here()
        if encoder is not None:
            _write_back(tokenizer, encoder, names, written, learned)

    return undo


def _vocabulary(tokenizer: Tokenizer, table: Tensor) -> Tensor:
    """The rows of the tokens that the model was made with, special ones left out."""
    added = set(tokenizer.get_added_vocab().values())
    return table[[i for i in sorted(tokenizer.get_vocab().values()) if i not in added and i < len(table)]]


def _write_back(
    tokenizer: Tokenizer, text_encoder: TextEncoder, names: list[str], written: Tensor, learned: Tensor
) -> None:
    """Put learned rows back, found by their tokens, where what was written still stands.

    Meanwhile a token may have been unloaded, which moves the rows behind it up; and another embedding may
    have been loaded under its name, whose row is none of ours.
    """
    table = _table(text_encoder, "remove()", UNDONE)
    vocabulary = tokenizer.get_added_vocab()
    for name, ours, row in zip(names, written, learned, strict=True):
        at = vocabulary.get(name)
        if at is None:
            continue
        if _stands(table[at], ours):
            _write(table, [at], row[None])
        else:
            warnings.warn(
                f"remove(): the row of {name!r} is no longer what apply() wrote there, so it is left as it "
                "is. If it was not meant to change, load its embedding again.",
                UncollapseWarning,
                stacklevel=4,
            )


def _stands(row: Tensor, written: Tensor) -> bool:
    """Whether a row is what was written, also when the encoder's precision was changed since."""
    written = written.to(row.device)
    kinds = (written.dtype, torch.float16, torch.bfloat16)
    return any(torch.equal(row, written.to(kind).to(row.dtype)) for kind in kinds)


def _table(text_encoder: TextEncoder, caller: str, outcome: str) -> Tensor:
    """The token table, also while sequential offloading keeps it elsewhere in memory."""
    offloaded = _offloaded(text_encoder.get_input_embeddings())
    return token_table(text_encoder, caller, outcome) if offloaded is None else offloaded.detach()


def _offloaded(embedding: Any) -> Tensor | None:
    """What accelerate lends an embedding for each call; None where nothing does, or where it is on disk."""
    hook = getattr(embedding, "_hf_hook", None)
    for each in getattr(hook, "hooks", (hook,)):
        kept: Mapping[str, Any] = getattr(each, "weights_map", None) or {}
        weight = kept.get("weight") if getattr(each, "offload", False) else None
        if isinstance(weight, Tensor) and weight.is_floating_point() and kept["weight"] is weight:
            return weight  # from a disk, it would be another tensor each time
    return None


@torch.no_grad()
def _write(table: Tensor, ids: list[int], rows: Tensor) -> None:
    table[ids] = rows.to(table)


def _check_rows(names: list[str], rows: Tensor) -> None:
    for name, row in zip(names, rows, strict=True):
        if not row.isfinite().all() or not row.any():
            raise EmbeddingError(
                f"apply(): the learned row of {name!r} is {'zero' if not row.any() else 'not finite'}, so it "
                "has no direction to adjust. Load a trained embedding for it."
            )
