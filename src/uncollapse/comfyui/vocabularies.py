"""The vocabularies of a clip's text encoders, for what looks into embedding files and bakes them."""

from __future__ import annotations

from typing import Any

from ..components import ONLY
from ..errors import PipelineError
from ..vocabulary import Vocabulary
from ..vocabulary.clip import TOKENS, bundled_tokenizer
from .encoders import table_of, text_encoders

__all__ = ["vocabularies_of_clip"]


def vocabularies_of_clip(clip: Any) -> dict[str, Vocabulary]:
    """By the names that embedding files give encoders; "text_encoder" for the only one.

    A table of CLIP's size has CLIP's words; others those of their tokenizer, where it is one that can list
    them.

    Raises: PipelineError, for a clip without a text encoder.
    """
    found = {name.rpartition(".")[2]: encoder for name, encoder in text_encoders(clip).items()}
    if not found:
        raise PipelineError(
            "TEA: this clip has no text encoder. Take the CLIP of a checkpoint or a CLIP loader."
        )
    vocabularies = {name: _vocabulary(clip, name, encoder) for name, encoder in found.items()}
    return {ONLY: next(iter(vocabularies.values()))} if len(vocabularies) == 1 else vocabularies


def _vocabulary(clip: Any, name: str, encoder: Any) -> Vocabulary:
    table = table_of(encoder).float().cpu()
    own = getattr(getattr(clip.tokenizer, name, None), "tokenizer", None)
    listed = getattr(own, "backend_tokenizer", None)
    if listed is None and len(table) == TOKENS:
        listed = bundled_tokenizer()
    return Vocabulary(table, listed, name)
