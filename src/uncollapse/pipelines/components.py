"""Which of a pipeline's parts encode text: found by name, as diffusers names them."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..errors import PipelineError

__all__ = ["text_encoders", "tokenizer_and_encoder"]


def text_encoders(pipe) -> dict[str, nn.Module]:
    """``text_encoder``, ``text_encoder_2``, …: those that are loaded."""
    parts = getattr(pipe, "components", {})
    return {
        name: part
        for name, part in parts.items()
        if name.startswith("text_encoder") and isinstance(part, nn.Module)
    }


def tokenizer_and_encoder(pipe) -> tuple[Any, nn.Module]:
    """The pipeline's tokenizer and text encoder, when it has exactly one of each.

    Raises: PipelineError, otherwise.
    """
    parts = getattr(pipe, "components", {})
    tokenizers = {
        name: part for name, part in parts.items() if name.startswith("tokenizer") and part is not None
    }
    encoders = text_encoders(pipe)
    if len(tokenizers) != 1 or len(encoders) != 1:
        raise PipelineError(
            f"apply(): {type(pipe).__name__} has tokenizers {sorted(tokenizers)} and text encoders "
            f"{sorted(encoders)}, but this version adjusts pipelines with one of each (Stable Diffusion 1 "
            "and 2). Encode the prompt and its anchor yourself and use uncollapse.adjust()."
        )
    return next(iter(tokenizers.values())), next(iter(encoders.values()))
