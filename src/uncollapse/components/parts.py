"""Which of a pipeline's parts encode text: found by name, as diffusers names them."""

from __future__ import annotations

from typing import Any

from torch import nn

__all__ = ["inner_pipelines", "text_encoders", "tokens_and_encoders"]


def text_encoders(pipe) -> dict[str, nn.Module]:
    """``text_encoder``, ``text_encoder_2``, …: those that are loaded."""
    return {
        name: part
        for name, part in _parts(pipe).items()
        if "text_encoder" in name and isinstance(part, nn.Module)
    }


def tokens_and_encoders(pipe) -> list[tuple[Any, nn.Module]]:
    """Each text encoder with its tokenizer: ``tokenizer_2`` is that of ``text_encoder_2``."""
    parts = _parts(pipe)
    pairs = (
        (parts.get(name.replace("text_encoder", "tokenizer")), e) for name, e in text_encoders(pipe).items()
    )
    return [(tokenizer, encoder) for tokenizer, encoder in pairs if tokenizer is not None]


def inner_pipelines(pipe) -> dict[str, Any]:
    """Pipelines that a combined pipeline is made of, by attribute: ``prior_pipe``, ``decoder_pipe``, …."""
    return {
        name: part
        for name, part in getattr(pipe, "__dict__", {}).items()
        if name.endswith("_pipe") and _parts(part)
    }


def _parts(pipe) -> dict[str, Any]:
    return getattr(pipe, "components", {})
