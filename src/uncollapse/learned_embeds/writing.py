"""Writing: from embeddings to a file of the layout that a program wants, whole or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from ..components.names import ONLY
from ..errors import OutputError, UncollapseWarning
from ..output import save_safetensors, save_torch
from .embedding import LearnedEmbedding
from .layouts import A1111_FIELDS, LAYOUTS, NAME, entries_for

__all__ = ["write"]

SUFFIXES = {"diffusers": (".safetensors", ".bin"), "a1111": (".pt",)}


def write(
    path: str | Path, embedding: LearnedEmbedding | Sequence[LearnedEmbedding], layout: str | None = None
) -> Path:
    """Write an embedding, its vectors bit for bit.

    Args:
        path: its folder is made.
        embedding: one, or, in diffusers' layout, several.
        layout: "diffusers" (``.safetensors`` or ``.bin``), "a1111" (``.pt``), "kohya", or "encoders", a key
            for each: SDXL, SD3, Flux (``.safetensors``). By default what suffix and encoders ask for.

    Returns: the path written.
    Raises: OutputError, when the layout has no room for the vectors, or the path cannot be written. What else
        there is no room for, metadata in a torch file or the name of a single encoder, is named in a warning.

    Example:
        >>> write("my-cat.pt", read("my-cat.safetensors"))  # doctest: +SKIP
    """
    path = Path(path)
    embeddings = [embedding] if isinstance(embedding, LearnedEmbedding) else list(embedding)
    layout = _layout(path, embeddings, layout)
    try:
        entries = entries_for(embeddings, layout)
    except OutputError as error:
        raise OutputError(f"{path}: ", *error.parts) from error
    _say_what_is_lost(path, embeddings, layout)
    if path.suffix == ".safetensors":
        return save_safetensors(entries, path, _metadata(embeddings, layout))
    return save_torch(entries, path)


def _layout(path: Path, embeddings: Sequence[LearnedEmbedding], layout: str | None) -> str:
    if layout is None:
        by_encoder = any(ONLY not in each.vectors for each in embeddings)
        default = "encoders" if by_encoder else "diffusers"
        layout = {".pt": "a1111", ".bin": "diffusers"}.get(path.suffix, default)
    if layout not in LAYOUTS:
        raise OutputError(f"{path}: layout={layout!r} is none of {', '.join(map(repr, LAYOUTS))}.")
    suffixes = SUFFIXES.get(layout, (".safetensors",))
    if path.suffix not in suffixes:
        raise OutputError(f"{path}: embeddings of layout {layout!r} are written to {' or '.join(suffixes)}.")
    return layout


def _metadata(embeddings: Sequence[LearnedEmbedding], layout: str) -> dict[str, str]:
    """What was beside the vectors, and the placeholder where the layout has no other place for it."""
    merged = {key: value for each in embeddings for key, value in each.metadata.items()}
    return merged if layout == "diffusers" else {**merged, NAME: embeddings[0].placeholder}


def _say_what_is_lost(path: Path, embeddings: Sequence[LearnedEmbedding], layout: str) -> None:
    kept = A1111_FIELDS if layout == "a1111" else ()
    metadata = sorted({key for each in embeddings for key in each.metadata} - set(kept))
    if metadata and path.suffix != ".safetensors":
        _warn(f"{path}: a torch file has no place for metadata, so {', '.join(metadata)} is lost.")
    named = [name for each in embeddings for name in each.vectors if name != ONLY]
    if named and layout != "encoders":
        _warn(f"{path}: layout {layout!r} names no encoder, so it is lost that these are {named[0]}'s.")


def _warn(text: str) -> None:
    warnings.warn(text, UncollapseWarning, stacklevel=4)
