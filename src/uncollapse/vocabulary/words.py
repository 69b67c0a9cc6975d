"""Which tokens of a vocabulary are whole words, as prompts spell them.

CLIP marks where a word ends, </w>; SentencePiece (▁) and byte-level vocabularies (Ġ) where one begins, the
latter with the space before it. What carries no mark is a piece inside a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

__all__ = ["unpadded", "whole_words"]


def whole_words(tokenizer: Tokenizer, rows: int) -> dict[str, int]:
    """The words among the first ``rows`` tokens, in the table's order, each with its row.

    Each is tokenised, so that none is listed that no prompt would reach.
    """
    vocab = tokenizer.get_vocab(with_added_tokens=False)
    known = sorted(((token, i) for token, i in vocab.items() if i < rows), key=lambda item: item[1])
    candidates = [(word, i) for token, i in known if (word := _as_typed(token))]
    encoded = tokenizer.encode_batch([word for word, _ in candidates], add_special_tokens=False)
    reached = zip(candidates, encoded, strict=True)
    return {word.strip(): i for (word, i), encoding in reached if unpadded(encoding) == [i]}


def _as_typed(token: str) -> str | None:
    """The word that a token stands for; None for a piece of one, and for what is no word."""
    from tokenizers import decoders

    if token.startswith("▁"):
        text = token[1:]
    elif token.endswith("</w>") or token.startswith("Ġ"):
        text = token.removesuffix("</w>")
        text = text if text.isascii() else decoders.ByteLevel().decode([text])
    else:
        return None
    return text if text.strip().isalpha() and len(text.strip()) > 1 else None


def unpadded(encoding: Encoding) -> list[int]:
    """A tokenizer that a pipeline has used still pads, as it did there."""
    return [i for i, own in zip(encoding.ids, encoding.attention_mask, strict=True) if own]
