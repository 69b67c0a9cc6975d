"""Loading: an embedding's tokens into each tokenizer and text encoder of a pipeline that they were made for.

diffusers' own ``load_textual_inversion`` loads one encoder at a time and refuses a file for two, and some
pipelines lack it. What it does takes few lines, so they are here, for every pipeline.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from ..components import Pipeline, TextEncoder, Tokenizer, encoders_of, token_table
from ..errors import FileFormatError, PipelineError, PlaceholderError, UncollapseWarning
from ..placeholders import learned_tokens, token_names
from .embedding import LearnedEmbedding, match_encoders
from .reading import read

__all__ = ["load_into"]

CALLER = "load_into()"
OUTCOME = (
    "it takes no learned tokens. Load the embedding before offloading, with an encoder that is not quantised."
)


def load_into(pipe: Pipeline, path: str | Path, placeholder: str | None = None) -> str:
    """Add an embedding's tokens to a pipeline's tokenizers and text encoders.

    Args:
        pipe: any pipeline with the text encoders that the embedding was trained for.
        path: a ``.safetensors``, ``.pt`` or ``.bin`` file, a picture that carries one, a LoRA that bundles
            one, or a folder as diffusers, PEFT or Custom Diffusion write it.
        placeholder: the name to load it under; None for the one in the file. Where the file holds several,
            the one of them to load.

    Returns: what to write in prompts. Pipelines that do not expand ``<t>`` themselves want every token of
        an embedding of several vectors written out: ``<t> <t>_1``.
    Raises: FileFormatError, also for vectors made for another model; PlaceholderError, when the name is
        taken; PipelineError. The pipeline is then as it was.
    """
    embedding = _chosen(path, placeholder)
    name = placeholder or embedding.placeholder
    parts = encoders_of(pipe, CALLER)
    widths = {key: _table(encoder).shape[-1] for key, (_, encoder) in parts.items()}
    try:
        matches = match_encoders(embedding, widths, type(pipe).__name__)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: ", *error.parts) from error
    counts = {matches[key]: len(rows) for key, rows in embedding.vectors.items()}
    text = _text_for(pipe, name, set(counts.values()))
    for key, count in counts.items():
        _check_free(parts[key][0], name, count)
    unread = [key for key in parts if key not in counts]
    if unread:
        warnings.warn(
            f"{path}: has no vectors for {', '.join(unread)}, which will read {name!r} as plain text.",
            UncollapseWarning,
            stacklevel=2,
        )
    for key, rows in embedding.vectors.items():
        _add_rows(*parts[matches[key]], token_names(name, len(rows)), rows)
    return text


def _chosen(path: str | Path, placeholder: str | None) -> LearnedEmbedding:
    try:
        return read(path)
    except PlaceholderError:  # several: the name says which
        return read(path, placeholder)


def _text_for(pipe: Pipeline, name: str, counts: set[int]) -> str:
    if hasattr(pipe, "maybe_convert_prompt") or counts == {1}:
        return name
    if len(counts) > 1:
        raise PipelineError(
            f"load_into(): {type(pipe).__name__} sends its encoders one text, but {name!r} has a different "
            "number of vectors for each. Train it with as many for every encoder."
        )
    return " ".join(token_names(name, counts.pop()))


def _check_free(tokenizer: Tokenizer, name: str, count: int) -> None:
    taken = learned_tokens(tokenizer, name) or [
        n for n in token_names(name, count) if n in tokenizer.get_vocab()
    ]
    taken = taken or (tokenizer.tokenize(name) if len(tokenizer.tokenize(name)) == 1 else [])
    if taken or len(name.split()) != 1:
        problem = f"the tokenizer has {taken[0]!r} already" if taken else "a learned token is one word"
        raise PlaceholderError(
            f"load_into(): the embedding cannot be called {name!r}: {problem}. "
            'Pass another name, such as placeholder="<my-concept>".'
        )


def _table(text_encoder: TextEncoder) -> torch.Tensor:
    return token_table(text_encoder, CALLER, OUTCOME)


@torch.no_grad()
def _add_rows(tokenizer: Tokenizer, text_encoder: TextEncoder, names: list[str], rows: torch.Tensor) -> None:
    tokenizer.add_tokens(names)
    ids = tokenizer.convert_tokens_to_ids(names)
    if max(ids) >= len(_table(text_encoder)):
        text_encoder.resize_token_embeddings(max(ids) + 1, mean_resizing=False)
    table = _table(text_encoder)
    table[ids] = rows.to(table)
