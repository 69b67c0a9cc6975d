"""Learned rows beside a frozen token table: the table itself is neither changed nor enlarged.

While rows are learned, a text encoder looks its tokens up in the two together, and its tokenizer is a copy
that knows the new names. Afterwards both are as they were, so no other row can have moved.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..anchors import anchor_token_ids, anchor_vector
from ..components import Pipeline, TextEncoder, Tokenizer, TokenizesText, encoders_of, token_table
from ..errors import PlaceholderError, TrainingError, UncollapseWarning
from ..geometry import norm, unit
from ..placeholders import token_names

__all__ = ["TokenRows", "frozen_table", "learning_rows"]

OUTCOME = (
    "no row can be learned beside it. Load the text encoder in float32, float16 or bfloat16, on one device."
)


class _Extended(nn.Module):
    """A token table, and rows for the ids from ``first`` on."""

    def __init__(self, table: nn.Module, rows: nn.Parameter, first: int) -> None:
        super().__init__()
        self.table, self.rows, self.first = table, rows, first

    def forward(self, ids: Tensor) -> Tensor:
        place = ids - self.first
        learned = (place >= 0) & (place < len(self.rows))
        plain = self.table(ids.masked_fill(learned, 0))
        rows = self.rows[place.clamp(0, len(self.rows) - 1)].to(plain.dtype)
        return torch.where(learned[..., None], rows, plain)


@dataclass(frozen=True)
class TokenRows:
    """One text encoder's learned rows, and what they are held against.

    Args:
        rows: ``[vectors, dim]``, float32.
        start: what they started as, the same shape.
        class_row: the class word's vector, ``[dim]``.
        typical_norm: mean norm of the rows of the table.
    """

    rows: nn.Parameter
    start: Tensor
    class_row: Tensor
    typical_norm: float

    @torch.no_grad()
    def drift(self) -> tuple[float, float]:
        """Mean norm, and mean cosine to the class word's row."""
        cosines = unit(self.rows) @ unit(self.class_row)
        return norm(self.rows).mean().item(), cosines.mean().item()


@contextmanager
def learning_rows(
    pipe: Pipeline, placeholder: str, class_word: str, initialiser: str, vectors: int = 1
) -> Iterator[Mapping[str, TokenRows]]:
    """Teach the pipeline a placeholder for the length of the block.

    Args:
        initialiser: the words whose vector every row starts as; of several tokens their mean
            (``anchors.anchor_vector``), which a warning says.
        vectors: rows an encoder.

    Yields: the rows of each text encoder, by the names that embedding files give encoders.
    Raises: PlaceholderError, when the name is taken; TrainingError, without a trainable text encoder.
    """
    parts = encoders_of(pipe, "train()")
    for tokenizer, encoder in parts.values():
        _check_new(tokenizer, placeholder)
        frozen_table(encoder)
    _say_what_is_averaged(parts, initialiser)
    tokenizers = {name: part for name, part in pipe.components.items() if name.startswith("tokenizer")}
    tables = {name: encoder.get_input_embeddings() for name, (_, encoder) in parts.items()}
    learned = {}
    for name, (tokenizer, encoder) in parts.items():
        extended = copy.deepcopy(tokenizer)
        first = len(extended)
        extended.add_tokens(token_names(placeholder, vectors))
        learned[name] = _rows(tokenizer, frozen_table(encoder), class_word, initialiser, vectors)
        encoder.set_input_embeddings(_Extended(tables[name], learned[name].rows, first))
        own = next(key for key, value in tokenizers.items() if value is tokenizer)
        setattr(pipe, own, extended)
    try:
        yield learned
    finally:
        for name, (_, encoder) in parts.items():
            encoder.set_input_embeddings(tables[name])
        for own, tokenizer in tokenizers.items():
            setattr(pipe, own, tokenizer)


def frozen_table(encoder: TextEncoder) -> Tensor:
    """The token table that rows are learned beside, ``[vocabulary, dim]``.

    Raises: TrainingError, for one that is wrapped, quantised or offloaded.
    """
    return token_table(encoder, "train()", OUTCOME, TrainingError)


def _rows(
    tokenizer: TokenizesText, table: Tensor, class_word: str, initialiser: str, vectors: int
) -> TokenRows:
    class_row = anchor_vector(table, anchor_token_ids(tokenizer, class_word)).float()
    start = anchor_vector(table, anchor_token_ids(tokenizer, initialiser)).float().expand(vectors, -1)
    return TokenRows(nn.Parameter(start.clone()), start.clone(), class_row, norm(table).float().mean().item())


def _check_new(tokenizer: Tokenizer, placeholder: str) -> None:
    names = [placeholder, placeholder.lower()]
    pieces = tokenizer.tokenize(placeholder)
    if len(placeholder.split()) != 1 or len(pieces) == 1 or any(n in tokenizer.get_vocab() for n in names):
        problem = "is a word already" if len(placeholder.split()) == 1 else "is several words"
        raise PlaceholderError(
            f"train(): the placeholder {placeholder!r} {problem}, and what is learned needs a name of its "
            'own. Make one up in angle brackets, such as "<my-cat>".'
        )


def _say_what_is_averaged(parts: Mapping[str, tuple[Tokenizer, TextEncoder]], initialiser: str) -> None:
    counts = [len(anchor_token_ids(tokenizer, initialiser)) for tokenizer, _ in parts.values()]
    if max(counts) > 1:
        warnings.warn(
            f"{initialiser!r} is {max(counts)} tokens; the rows start from their mean.",
            UncollapseWarning,
            stacklevel=4,
        )
