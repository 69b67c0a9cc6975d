"""What an embedding file holds, so that a drifted embedding is recognised before a picture is drawn.

Textual Inversion lets a vector's norm grow and its direction turn away from every word. Against the
vocabulary it was trained in, the first shows as a norm beyond that of nearly all words, the second as nearest
words that are barely near. An embedding of which both are true is called *drifted*, any other *in place*:

    a vector is longer than LONG per cent of all words, and one is no nearer to its word than chance

Its word is the anchor, where one is known, else the nearest. What pictures lose by it, no file says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..geometry import norm
from ..learned_embeds import LearnedEmbedding
from .tables import Vocabulary, vocabularies_for

__all__ = ["DRIFTED", "IN_PLACE", "LONG", "InspectedRow", "inspect", "placed"]

LONG = 99  # per cent of the words that are shorter
DRIFTED, IN_PLACE = "drifted", "in place"


@dataclass(frozen=True)
class InspectedRow:
    """One learned vector.

    Args:
        encoder, row: which.
        norm: its Euclidean length.
        norm_ratio: relative to the median word's; None without a vocabulary, as are the following.
        norm_percentile: how many per cent of the words are shorter.
        nearest: the nearest words, with their cosines.
        chance: the cosine that the nearest of as many random directions would have.
    """

    encoder: str
    row: int
    norm: float
    norm_ratio: float | None = None
    norm_percentile: float | None = None
    nearest: tuple[tuple[str, float], ...] = ()
    chance: float | None = None


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
    ratios = (norms / vocabulary.norms.median()).tolist()
    percentiles = vocabulary.percentiles(norms).tolist()
    near = map(tuple, vocabulary.nearest(rows, words))
    chance = [vocabulary.chance] * len(rows)
    return zip(norms.tolist(), ratios, percentiles, near, chance, strict=True)


def placed(vectors: Iterable[tuple[float, float, float]]) -> str:
    """``DRIFTED`` or ``IN_PLACE``, as the vectors of one embedding are.

    Args:
        vectors: of each the percentile of its norm among the words, its cosine to its word, and the cosine
            that is chance.
    """
    known = list(vectors)
    long = any(percentile >= LONG for percentile, *_ in known)
    astray = any(cosine <= chance for _, cosine, chance in known)
    return DRIFTED if long and astray else IN_PLACE
