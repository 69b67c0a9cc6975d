"""What an embedding file holds, so that a drifted embedding is recognised before a picture is drawn.

Textual Inversion lets a vector's norm grow and its direction turn away from every word. Against the
vocabulary it was trained in, the first shows as a norm beyond that of nearly all words, the second as nearest
words that are barely near.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from .geometry import norm
from .learned_embeds import LearnedEmbedding
from .learned_embeds.embedding import match_encoders
from .vocabulary import Vocabulary

__all__ = ["InspectedRow", "inspect"]


@dataclass(frozen=True)
class InspectedRow:
    """One learned vector.

    Args:
        encoder, row: which.
        norm: its Euclidean length.
        norm_ratio: relative to the median word's; None without a vocabulary, as are the following.
        norm_percentile: how many per cent of the words are shorter.
        nearest: the nearest words, with their cosines.
    """

    encoder: str
    row: int
    norm: float
    norm_ratio: float | None = None
    norm_percentile: float | None = None
    nearest: tuple[tuple[str, float], ...] = ()


def inspect(
    embedding: LearnedEmbedding, vocabularies: Mapping[str, Vocabulary] | None = None, words: int = 3
) -> list[InspectedRow]:
    """Each vector of the embedding, measured against its vocabulary where one is given.

    Raises: FileFormatError, when the vocabularies are another model's, or lack a tokenizer.
    """
    vocabularies = vocabularies or {}
    widths = {name: each.token_embeds.shape[-1] for name, each in vocabularies.items()}
    matches = match_encoders(embedding, widths, "this model") if vocabularies else {}
    found = []
    for name, rows in embedding.vectors.items():
        norms = norm(rows).float()
        if name not in matches:
            found += [InspectedRow(name, row, length) for row, length in enumerate(norms.tolist())]
            continue
        vocabulary = vocabularies[matches[name]]
        ratios = norms / vocabulary.norms.median()
        percentiles = 100 * torch.searchsorted(vocabulary.norms, norms) / len(vocabulary.norms)
        near = map(tuple, vocabulary.nearest(rows, words))
        columns = zip(norms.tolist(), ratios.tolist(), percentiles.tolist(), near, strict=True)
        found += [InspectedRow(name, row, *each) for row, each in enumerate(columns)]
    return found
