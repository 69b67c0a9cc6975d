"""What an embedding file holds, so that a drifted embedding is recognised before a picture is drawn.

Textual Inversion lets a vector's norm grow and its direction turn away from every word. Against the
vocabulary it was trained in, the first shows as a norm beyond that of nearly all words, the second as nearest
words that are barely near.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..geometry import norm
from ..learned_embeds import LearnedEmbedding
from .tables import Vocabulary, vocabularies_for

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
    embeddings: Sequence[LearnedEmbedding],
    vocabularies: Mapping[str, Vocabulary] | None = None,
    words: int = 3,
) -> list[list[InspectedRow]]:
    """Each vector of each embedding, measured against its vocabulary where one is given.

    All are compared with a vocabulary at once: a thousand files cost little more than the first.

    Raises: FileFormatError, when the vocabularies are another model's, or lack a tokenizer.
    """
    found: list[list[InspectedRow]] = [[] for _ in embeddings]
    together: dict[tuple[Vocabulary | None, int], list[tuple[int, str, Tensor]]] = {}
    for place, embedding in enumerate(embeddings):
        matches = vocabularies_for(embedding, vocabularies) if vocabularies else {}
        for name, rows in embedding.vectors.items():
            group = (matches.get(name), rows.shape[-1])
            together.setdefault(group, []).append((place, name, rows))
    for (own, _), parts in together.items():
        measured = _measured(torch.cat([rows.float() for *_, rows in parts]), own, words)
        for place, name, rows in parts:
            found[place] += [InspectedRow(name, row, *next(measured)) for row in range(len(rows))]
    return found


def _measured(rows: Tensor, vocabulary: Vocabulary | None, words: int) -> Iterator[tuple[Any, ...]]:
    """For each row what follows its number in an ``InspectedRow``."""
    norms = norm(rows)
    if vocabulary is None:
        return iter([(length,) for length in norms.tolist()])
    ratios = norms / vocabulary.norms.median()
    percentiles = 100 * torch.searchsorted(vocabulary.norms, norms) / len(vocabulary.norms)
    near = map(tuple, vocabulary.nearest(rows, words))
    return zip(norms.tolist(), ratios.tolist(), percentiles.tolist(), near, strict=True)
