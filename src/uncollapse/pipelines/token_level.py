"""Token level: the learned rows of the token table, for Textual Inversion.

v is a learned row, c the anchor's vector in the same table; every row of a multi-vector token moves.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..adjusters import Places, Role
from ..anchors import anchor_token_ids, anchor_vector
from ..components import TextEncoder, Tokenizer, token_table
from ..concept import Concept
from ..errors import EmbeddingError, PlaceholderError
from ..placeholders import learned_tokens

__all__ = ["rewrite_rows"]

OUTCOME = 'its rows cannot be rewritten. level="prompt" works without touching them.'


def rewrite_rows(tokenizer: Tokenizer, text_encoder: TextEncoder, concept: Concept) -> Callable[[], None]:
    """Adjust the concept's learned rows in place.

    Returns: the undo, which writes the very bits back.
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
    table = token_table(text_encoder, "apply()", OUTCOME)
    learned = table[ids].clone()
    _check_rows(names, learned)
    c = anchor_vector(table, anchor_token_ids(tokenizer, concept.anchor))
    places = Places.all(Role.CONCEPT, learned)
    _write(text_encoder, ids, concept.adjuster.adjust(learned, c, places))

    def undo() -> None:
        vocabulary = tokenizer.get_vocab()  # a token that was unloaded meanwhile has no row to restore
        rows = [
            row for row, (name, i) in enumerate(zip(names, ids, strict=True)) if vocabulary.get(name) == i
        ]
        _write(text_encoder, [ids[row] for row in rows], learned[rows])

    return undo


@torch.no_grad()
def _write(text_encoder: TextEncoder, ids: list[int], rows: Tensor) -> None:
    table = token_table(text_encoder, "apply()", OUTCOME)
    table[ids] = rows.to(table)


def _check_rows(names: list[str], rows: Tensor) -> None:
    for name, row in zip(names, rows, strict=True):
        if not row.isfinite().all() or not row.any():
            raise EmbeddingError(
                f"apply(): the learned row of {name!r} is {'zero' if not row.any() else 'not finite'}, so it "
                "has no direction to adjust. Load a trained embedding for it."
            )
