"""ClassDiffusion's semantic preservation: a personal phrase goes on meaning its class to the text encoder.

    L = 1 − cos(encode("a photo of sks cat"), encode("a photo of cat"))      at the end-of-text token

Source: arXiv 2405.17532, where collapse is traced to the phrase leaving its class in the encoder's space.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..components import Pipeline, TextEncoder, Tokenizer, encoders_of
from ..geometry import unit

__all__ = ["semantic_distance"]


def semantic_distance(pipe: Pipeline, phrase: str, class_phrase: str) -> Tensor:
    """1 − cosine of two prompts' encodings, the mean over the CLIP text encoders, with gradients.

    The class's own encoding is taken as it is, without a gradient: only the phrase is to move.
    """
    distances = []
    for tokenizer, encoder in encoders_of(pipe, "train()").values():
        if not encoder.config.model_type.startswith("clip"):
            continue
        with torch.no_grad():
            target = _meaning(tokenizer, encoder, class_phrase)
        distances.append(1 - (unit(_meaning(tokenizer, encoder, phrase)) * unit(target)).sum(-1).mean())
    return torch.stack(distances).mean()


def _meaning(tokenizer: Tokenizer, encoder: TextEncoder, text: str) -> Tensor:
    """The last hidden state at the end of the text, ``[1, dim]``."""
    ids = tokenizer(text, return_tensors="pt", truncation=True)["input_ids"].to(encoder.device)
    states: Tensor = encoder(ids).last_hidden_state
    return states[:, -1].float()
