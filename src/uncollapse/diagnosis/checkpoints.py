"""The checkpoints of a training, put into one pipeline in turn.

Learned rows are swapped in place, adapters loaded and unloaded. Custom Diffusion changes the denoiser's own
weights, and so it gets a new pipeline for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..components import encoders_of, token_table
from ..errors import FileFormatError
from ..learned_embeds import load_into, read
from ..learned_embeds.embedding import match_encoders
from ..models.custom_diffusion import load_custom_diffusion
from ..models.loading import load_lora
from ..placeholders import learned_tokens
from ..trajectory import Checkpoint, Trajectory

__all__ = ["states"]

OUTCOME = "a checkpoint's rows cannot be put in it. Load the text encoder unquantised, on one device."


def states(
    trajectory: Trajectory, pipe: Any, load_base: Callable[[], Any]
) -> Iterator[tuple[Checkpoint, Any]]:
    """Each checkpoint with a pipeline that is in its state while it is out.

    Raises: UncollapseError, naming the file of a checkpoint that is unreadable or of something else.
    """
    into = {
        "textual-inversion": _embedding,
        "reversion": _embedding,
        "dreambooth-lora": _lora,
        "custom-diffusion": _custom_diffusion,
    }
    for checkpoint in trajectory.checkpoints:
        with into[trajectory.method](trajectory, checkpoint, pipe, load_base) as tuned:
            yield checkpoint, tuned


@contextmanager
def _embedding(trajectory: Trajectory, checkpoint: Checkpoint, pipe: Any, _: Any) -> Iterator[Any]:
    path, placeholder = trajectory.path(checkpoint), trajectory.placeholder
    parts = encoders_of(pipe, "diagnose")
    if not any(learned_tokens(tokenizer, placeholder) for tokenizer, _ in parts.values()):
        load_into(pipe, path, placeholder)
        yield pipe
        return
    embedding = read(path)
    widths = {
        name: token_table(encoder, "diagnose", OUTCOME).shape[-1] for name, (_, encoder) in parts.items()
    }
    for name, own in match_encoders(embedding, widths, type(pipe).__name__).items():
        tokenizer, encoder = parts[own]
        tokens, rows = learned_tokens(tokenizer, placeholder), embedding.vectors[name]
        if len(tokens) != len(rows):
            raise FileFormatError(
                f"{path}: holds {len(rows)} vectors, but the checkpoints before it {len(tokens)}, so it is "
                "of another training. Keep a manifest and its own files together."
            )
        table = token_table(encoder, "diagnose", OUTCOME)
        with torch.no_grad():
            table[tokenizer.convert_tokens_to_ids(tokens)] = rows.to(table)
    yield pipe


@contextmanager
def _lora(trajectory: Trajectory, checkpoint: Checkpoint, pipe: Any, _: Any) -> Iterator[Any]:
    load_lora(pipe, trajectory.path(checkpoint))
    try:
        yield pipe
    finally:
        pipe.unload_lora_weights()


@contextmanager
def _custom_diffusion(
    trajectory: Trajectory, checkpoint: Checkpoint, pipe: Any, load_base: Callable[[], Any]
) -> Iterator[Any]:
    tuned = load_base()
    load_custom_diffusion(tuned, trajectory.path(checkpoint))
    yield tuned
