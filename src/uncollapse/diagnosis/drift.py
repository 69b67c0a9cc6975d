"""Token level: how far learned rows have drifted from their anchor, and what an adjustment would leave of it.

Textual Inversion's own symptom, |v| ≫ |c| and cos(v, c) ≪ 1, read off a file and the model's token table in a
second. It says where the row went, not what the model makes of it: pre-norm encoders hardly notice a
norm between 1 and 5 times the anchor's. What becomes of a prompt is for ``prompts.py`` and ``probe.py``
to say.

Source: arXiv:2506.22685, which follows |V*| and cos(V*, c) over training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..adjusters import Adjuster, adjust_rows
from ..geometry import angle, norm
from ..learned_embeds import LearnedEmbedding
from ..vocabulary.inspection import InspectedRow, inspect
from ..vocabulary.tables import Vocabulary, vocabularies_for

__all__ = ["Landmark", "TokenDrift", "landmarks", "token_drift"]


@dataclass(frozen=True)
class TokenDrift:
    """One learned vector beside its anchor.

    Args:
        before, after: the row as it is and as the adjustment leaves it, against the vocabulary.
        norm_ratio: |v| / |c|.
        angle: to the anchor, radians.
        cosine, cosine_after: to the anchor.
        chance: the cosine that the nearest of all words would have to a random direction.
    """

    before: InspectedRow
    after: InspectedRow
    norm_ratio: float
    angle: float
    cosine: float
    cosine_after: float
    chance: float


@dataclass(frozen=True)
class Landmark:
    """A token of the table that is no word: where "<|startoftext|>" lies among the words' norms."""

    encoder: str
    token: str
    norm: float
    percentile: float


def token_drift(
    embeddings: Sequence[LearnedEmbedding],
    vocabularies: Mapping[str, Vocabulary],
    anchors: Sequence[str],
    adjuster: Adjuster,
    words: int = 5,
) -> list[list[TokenDrift]]:
    """The drift of each vector of each embedding, all against the vocabulary at once.

    Args:
        anchors: one for each embedding.
        words: how many nearest words.

    Raises: FileFormatError, AnchorError.
    """
    adjusted, moved = [], []
    for embedding, anchor in zip(embeddings, anchors, strict=True):
        own = vocabularies_for(embedding, vocabularies)
        rows, measured = {}, []
        for name, v in embedding.vectors.items():
            c = own[name].anchor_vector(anchor)
            rows[name] = adjust_rows(adjuster, v, c, own[name].made_with)
            measured += [
                (each, c, after, own[name].chance) for each, after in zip(v, rows[name], strict=True)
            ]
        adjusted.append(embedding.replace(vectors=rows))
        moved.append(measured)
    before, after = (inspect(each, vocabularies, words) for each in (embeddings, adjusted))
    return [
        [_drift(*each) for each in zip(b, a, m, strict=True)]
        for b, a, m in zip(before, after, moved, strict=True)
    ]


def _drift(
    before: InspectedRow, after: InspectedRow, vectors: tuple[Tensor, Tensor, Tensor, float]
) -> TokenDrift:
    v, c, moved, chance = vectors
    turned, left = angle(v, c), angle(moved, c)
    return TokenDrift(
        before,
        after,
        (norm(v) / norm(c)).item(),
        turned.item(),
        turned.cos().item(),
        left.cos().item(),
        chance,
    )


def landmarks(vocabularies: Mapping[str, Vocabulary]) -> list[Landmark]:
    """The special tokens of each table that has a tokenizer: BOS, EOS."""
    found = []
    for encoder, vocabulary in vocabularies.items():
        if vocabulary.tokenizer is None:
            continue
        added = vocabulary.tokenizer.get_added_tokens_decoder()
        for i, token in sorted(added.items()):
            if token.special and i < len(vocabulary.token_embeds):
                length = norm(vocabulary.token_embeds[i]).float()
                below = torch.searchsorted(vocabulary.norms, length).item()
                share = 100 * below / len(vocabulary.norms)
                found.append(Landmark(encoder, token.content, length.item(), share))
    return found
