"""ReVersion's steering loss: a relation's token stays among prepositions, and away from things.

    L = −log( Σ_l exp(cos(R, P_l)/γ) / (Σ_l exp(cos(R, P_l)/γ) + Σ_m exp(cos(R, N_m)/γ)) )

P are the rows of basis prepositions, N those of the other words of the exemplars' prompts.
Source: arXiv 2303.13495. Cosines, as in its released code. There a
few prepositions are drawn for each step, and N is of the batch; here all of both are used in every step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..anchors import anchor_token_ids
from ..components import Pipeline, TokenizesText, encoders_of
from ..errors import AnchorError
from ..geometry import unit
from ..placeholders import substitute
from .token_rows import frozen_table

__all__ = ["PREPOSITIONS", "basis_rows", "steering_loss"]

BASIS = """
    about above across after against along alongside amid among around at atop before behind below beneath
    beside between beyond by down from in inside into near of off on onto opposite outside over past through
    to toward under underneath up upon via with within
"""
NEITHER = "a an and are as be has have is it its one or some that the their there this two"  # nor things
PREPOSITIONS = tuple(BASIS.split())


def steering_loss(rows: Tensor, positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """The loss above, the mean over the rows.

    Args:
        rows: R, ``[vectors, dim]``.
        positives: P, ``[l, dim]``, l at least 1.
        negatives: N, ``[m, dim]``; with none the loss is 0.
        temperature: γ.
    """
    others = unit(torch.cat([positives, negatives]))
    logits = (unit(rows)[:, None] * others).sum(-1) / temperature  # no product of matrices: it stays float32
    return (logits.logsumexp(-1) - logits[:, : len(positives)].logsumexp(-1)).mean()


def basis_rows(
    pipe: Pipeline, captions: Sequence[str], placeholder: str
) -> Mapping[str, tuple[Tensor, Tensor]]:
    """P and N of each text encoder, by the names that embedding files give encoders.

    A preposition counts where it is one token; of other words every token does.
    """
    texts = [substitute(caption, [(placeholder, " ")]).new_text.lower() for caption in captions]
    words = {word for text in texts for word in re.findall(r"[^\W\d_]+", text)}
    others = sorted(words - {*PREPOSITIONS, *NEITHER.split()})
    basis = {}
    for name, (tokenizer, encoder) in encoders_of(pipe, "train()").items():
        single = [ids[0] for word in PREPOSITIONS if len(ids := _ids(tokenizer, word)) == 1]
        pieces = sorted({i for word in others for i in _ids(tokenizer, word)} - {*single})
        table = frozen_table(encoder)
        basis[name] = (table[single].float(), table[pieces].float())
    return basis


def _ids(tokenizer: TokenizesText, word: str) -> list[int]:
    try:
        return anchor_token_ids(tokenizer, word)
    except AnchorError:
        return []
