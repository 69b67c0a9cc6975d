"""Checkpoints of learned rows in a pipeline: the first is loaded, later ones take its rows' place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..components import Pipeline, encoders_of, token_table
from ..errors import FileFormatError
from ..learned_embeds import load_into, read
from ..learned_embeds.embedding import match_encoders
from ..placeholders import learned_tokens

__all__ = ["rows_loaded"]

CALLER = "diagnose"
OUTCOME = "a checkpoint's rows cannot be put in it. Load the text encoder unquantised, on one device."


@contextmanager
def rows_loaded(pipe: Pipeline, path: Path, placeholder: str) -> Iterator[Pipeline]:
    """The pipeline with a checkpoint's rows, which stay in it until those of another are loaded.

    Args:
        path: an embedding file.
        placeholder: the name that it is loaded under, or was.

    Raises: FileFormatError, also where the rows before it were of another number; PlaceholderError;
        PipelineError.
    """
    parts = encoders_of(pipe, CALLER)
    if any(learned_tokens(tokenizer, placeholder) for tokenizer, _ in parts.values()):
        _swap(pipe, path, placeholder)
    else:
        load_into(pipe, path, placeholder)
    yield pipe


@torch.no_grad()
def _swap(pipe: Pipeline, path: Path, placeholder: str) -> None:
    embedding, parts = read(path), encoders_of(pipe, CALLER)
    widths = {name: token_table(encoder, CALLER, OUTCOME).shape[-1] for name, (_, encoder) in parts.items()}
    for name, own in match_encoders(embedding, widths, type(pipe).__name__).items():
        tokenizer, encoder = parts[own]
        tokens, rows = learned_tokens(tokenizer, placeholder), embedding.vectors[name]
        if len(tokens) != len(rows):
            raise FileFormatError(
                f"{path}: holds {len(rows)} vectors, but the checkpoints before it {len(tokens)}, so it is "
                "of another training. Keep a manifest and its own files together."
            )
        table = token_table(encoder, CALLER, OUTCOME)
        table[tokenizer.convert_tokens_to_ids(tokens)] = rows.to(table)
