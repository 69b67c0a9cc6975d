"""A pipeline's text encoders and tokenizers: ``tokenizer_2`` is that of ``text_encoder_2``.

Three questions are asked of them. What takes part in encoding text: ``text_encoders`` and ``tokenizers``.
What belongs together: ``tokens_and_encoders``. And which of them is meant, by the names that files give
encoders: ``encoder_names``, and ``encoders_of`` for a learned embedding's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import nn

from ..errors import PipelineError
from .names import ONLY, encoder_name
from .parts import components_of, modules
from .protocols import Pipeline, TextEncoder, Tokenizer

__all__ = ["encoder_names", "encoders_of", "text_encoders", "tokenizers", "tokens_and_encoders"]


def text_encoders(pipe: Pipeline) -> dict[str, nn.Module]:
    """``text_encoder``, ``text_encoder_2``, …: those that are loaded."""
    return {name: part for name, part in modules(pipe).items() if "text_encoder" in name}


def tokenizers(pipe: Pipeline) -> list[Tokenizer]:
    """The pipeline's tokenizers, also those inside processors."""
    parts = (getattr(part, "tokenizer", part) for part in components_of(pipe).values())
    return [part for part in parts if callable(getattr(part, "convert_ids_to_tokens", None))]


def tokens_and_encoders(pipe: Pipeline) -> list[tuple[Tokenizer, TextEncoder]]:
    """Each text encoder with its tokenizer, where it has one."""
    return list(_pairs(pipe).values())


def encoder_names(pipe: Pipeline) -> dict[str, str]:
    """What files call each text encoder, by the pipeline's own name for it.

    Returns: "text_encoder" for a pipeline with one; else "clip_l", "clip_g", "t5xxl", and for others the
        pipeline's own names.
    """
    return _names(text_encoders(pipe))


def encoders_of(pipe: Pipeline, caller: str) -> dict[str, tuple[Tokenizer, TextEncoder]]:
    """The pipeline's tokenizers and text encoders, under the names that files give the encoders.

    Args:
        pipe: any pipeline; parts that were not loaded are left out.
        caller: the function that is named in an error, "load_into()".

    Returns: "text_encoder" for a pipeline with one encoder; else "clip_l", "clip_g", "t5xxl", and for others
        the pipeline's own names.
    Raises: PipelineError, when it has no tokenizer that learns tokens with a text encoder.
    """
    pairs = {
        name: pair
        for name, pair in _pairs(pipe).items()
        if name.startswith("text_encoder") and hasattr(pair[0], "add_tokens")
    }
    if not pairs:
        raise PipelineError(
            f"{caller}: {type(pipe).__name__} has no tokenizer and text encoder loaded, so it reads no words "
            "and takes no learned tokens. Load the pipeline with both."
        )
    names = _names({name: encoder for name, (_, encoder) in pairs.items()})
    return {names[name]: pair for name, pair in pairs.items()}


def _names(encoders: Mapping[str, object]) -> dict[str, str]:
    """What files call encoders that belong together, by their own names."""
    if len(encoders) == 1:
        return dict.fromkeys(encoders, ONLY)
    named: dict[str, str] = {}
    for name, encoder in encoders.items():
        kind = getattr(getattr(encoder, "config", None), "model_type", "")
        named[name] = encoder_name(kind, named.values(), name)
    return named


def _pairs(pipe: Pipeline) -> dict[str, tuple[Tokenizer, TextEncoder]]:
    """By the text encoder's own name."""
    parts = components_of(pipe)
    pairs = {
        name: (parts.get(name.replace("text_encoder", "tokenizer")), encoder)
        for name, encoder in text_encoders(pipe).items()
    }
    return {name: (t, cast(TextEncoder, encoder)) for name, (t, encoder) in pairs.items() if t is not None}
