"""The layouts of embedding files: from what is in a file to LearnedEmbeddings, and back.

    diffusers         {placeholder: rows}, one entry or one for each of several tokens
    a1111             {"string_to_param": {"*": rows}, "name", "step", "sd_checkpoint", "sd_checkpoint_name"}
    kohya             {"emb_params": rows}
    encoders          {"clip_l": rows, "clip_g": rows, "t5xxl": rows}, what was trained: SDXL, SD3, Flux
    bundle            inside a LoRA: "bundle_emb.NAME." before the keys of one of the above
    peft              "….trainable_tokens_delta", whose rows take the place of the table's
    custom-diffusion  {"modifier_token": {placeholder: rows}} beside the changed weights

Each is recognised by its keys alone, so that nothing else of a large file need be read. Sources: the
loaders and savers of diffusers 0.42, PEFT 0.21, A1111, sd-scripts, OneTrainer, ComfyUI, and Custom Diffusion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..admission import entries_of
from ..components.names import ENCODERS, ONLY
from ..errors import FileFormatError, ForeignFileError, OutputError
from .embedding import LearnedEmbedding

__all__ = ["A1111_FIELDS", "LAYOUTS", "NAME", "embeddings_from", "entries_for", "layout_of", "wanted"]

BUNDLE = "bundle_emb."
PEFT = "trainable_tokens_delta"
NAME = "name"  # the placeholder, in the metadata of layouts that have no room for it
A1111_FIELDS = ("step", "sd_checkpoint", "sd_checkpoint_name")
ENCODER_KEYS = {
    "clip_l": "clip_l",
    "text_encoders_0": "clip_l",
    "clip_g": "clip_g",
    "text_encoders_1": "clip_g",
    "t5": "t5xxl",
    "t5xxl": "t5xxl",
}


def layout_of(keys: Iterable[str]) -> str | None:
    """The layout that a file with these keys has; None for a file of something else."""
    keys = list(map(str, keys))
    if any(key.startswith(BUNDLE) for key in keys):
        return "bundle"
    if any(key.endswith(PEFT) for key in keys):
        return "peft"
    for key, layout in (
        ("string_to_param", "a1111"),
        ("emb_params", "kohya"),
        ("modifier_token", "custom-diffusion"),
    ):
        if key in keys:
            return layout
    if set(keys) & set(ENCODER_KEYS):
        return "encoders"
    if len(keys) == 1 or (keys and all(re.fullmatch(r"<\S+>(_\d+)?", key) for key in keys)):
        return "diffusers"
    return None


def wanted(key: str, layout: str) -> bool:
    """Whether the entry is part of an embedding, in a file of this layout."""
    return {"bundle": key.startswith(BUNDLE), "peft": key.endswith(PEFT)}.get(layout, True)


def embeddings_from(
    entries: Mapping[str, Any], metadata: Mapping[str, str], file_name: str
) -> list[LearnedEmbedding]:
    """The embeddings that a file's entries are.

    Args:
        entries: from its keys to its tensors (and, in an A1111 file, its other fields).
        metadata: the strings beside them.
        file_name: what a concept is called whose file does not say: user interfaces call it the same.

    Raises: FileFormatError, EmbeddingError; ForeignFileError, when they are none.
    """
    layout = layout_of(entries)
    if layout is None:
        raise ForeignFileError(
            f"holds {_summary(entries)}, which is no learned embedding in any known layout."
        )
    found = _READERS[layout](entries, metadata, file_name)
    if not found:
        raise FileFormatError(f"holds {_summary(entries)}, but no vectors of an embedding in them.")
    return found


def _from_diffusers(
    entries: Mapping[str, Any], metadata: Mapping[str, str], file_name: str
) -> list[LearnedEmbedding]:
    return [
        LearnedEmbedding(placeholder, {ONLY: _tensor(placeholder, rows)}, metadata, "diffusers")
        for placeholder, rows in entries.items()
    ]


def _from_a1111(
    entries: Mapping[str, Any], metadata: Mapping[str, str], file_name: str
) -> list[LearnedEmbedding]:
    [(key, rows)] = _one(entries_of(entries["string_to_param"], "string_to_param"), "string_to_param")
    given = {name: entries.get(name) for name in A1111_FIELDS}
    fields = {name: str(value) for name, value in given.items() if _is_short(value)}
    placeholder = entries.get("name") or (file_name if key == "*" else key)
    return [LearnedEmbedding(placeholder, {ONLY: _tensor(key, rows)}, {**metadata, **fields}, "a1111")]


def _from_kohya(
    entries: Mapping[str, Any], metadata: Mapping[str, str], file_name: str
) -> list[LearnedEmbedding]:
    placeholder, others = _named(metadata, file_name)
    rows = _tensor("emb_params", entries["emb_params"])
    return [LearnedEmbedding(placeholder, {ONLY: rows}, others, "kohya")]


def _from_encoders(
    entries: Mapping[str, Any], metadata: Mapping[str, str], file_name: str
) -> list[LearnedEmbedding]:
    placeholder, others = _named(metadata, file_name)
    vectors: dict[str, Tensor] = {}
    for key, encoder in ENCODER_KEYS.items():
        if key not in entries:
            continue
        rows = _tensor(key, entries[key])
        if encoder in vectors and not vectors[encoder].equal(rows):
            raise FileFormatError(
                f"holds different vectors for {encoder} under two names, one of them {key!r}."
            )
        vectors[encoder] = rows
    return [LearnedEmbedding(placeholder, vectors, others, "encoders")]


def _from_bundle(
    entries: Mapping[str, Any], metadata: Mapping[str, str], file_name: str
) -> list[LearnedEmbedding]:
    bundles: dict[str, dict[str, Any]] = {}
    for key, rows in entries.items():
        match = re.fullmatch(rf"{re.escape(BUNDLE)}(.+?)\.(string_to_param\.\*|emb_params|[^.]+)", key)
        if match is None:
            continue
        name, inner = match.groups()
        if inner == "string_to_param.*":
            bundles.setdefault(name, {})["string_to_param"] = {"*": rows}
        else:
            bundles.setdefault(name, {})[inner] = rows
    return [
        embedding.replace(layout="bundle", metadata=metadata)
        for name, inner in bundles.items()
        for embedding in embeddings_from(inner, {}, name)
    ]


def _from_peft(
    entries: Mapping[str, Any], metadata: Mapping[str, str], file_name: str
) -> list[LearnedEmbedding]:
    [(key, rows)] = _one({k: v for k, v in entries.items() if k.endswith(PEFT)}, f"….{PEFT}")
    return [LearnedEmbedding(file_name, {ONLY: _tensor(key, rows)}, metadata, "peft")]


def _from_custom_diffusion(
    entries: Mapping[str, Any], metadata: Mapping[str, str], file_name: str
) -> list[LearnedEmbedding]:
    return [
        LearnedEmbedding(placeholder, {ONLY: _tensor(placeholder, rows)}, metadata, "custom-diffusion")
        for placeholder, rows in entries_of(entries["modifier_token"], "modifier_token").items()
    ]


_READERS: dict[str, Callable[..., list[LearnedEmbedding]]] = {
    "diffusers": _from_diffusers,
    "a1111": _from_a1111,
    "kohya": _from_kohya,
    "encoders": _from_encoders,
    "bundle": _from_bundle,
    "peft": _from_peft,
    "custom-diffusion": _from_custom_diffusion,
}


def _to_diffusers(embeddings: Sequence[LearnedEmbedding]) -> dict[str, Any]:
    for each in embeddings:
        if layout_of([each.placeholder]) != "diffusers":
            raise OutputError(
                f"{each.placeholder!r} is a key of another layout, and a file with it would be read as that. "
                "Give the embedding another name, such as '<my-cat>'."
            )
    return {each.placeholder: _only(each) for each in embeddings}


def _to_a1111(embeddings: Sequence[LearnedEmbedding]) -> dict[str, Any]:
    embedding = _single(embeddings)
    step = embedding.metadata.get("step")
    return {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": _only(embedding)},
        "name": embedding.placeholder,
        "step": int(step) if step is not None and step.isdigit() else None,
        "sd_checkpoint": embedding.metadata.get("sd_checkpoint"),
        "sd_checkpoint_name": embedding.metadata.get("sd_checkpoint_name"),
    }


def _to_kohya(embeddings: Sequence[LearnedEmbedding]) -> dict[str, Any]:
    return {"emb_params": _only(_single(embeddings))}


def _to_encoders(embeddings: Sequence[LearnedEmbedding]) -> dict[str, Any]:
    embedding = _single(embeddings)
    if ONLY in embedding.vectors:
        raise OutputError(
            f"{embedding.placeholder!r} does not say which encoder its vectors are for, and this layout has "
            'a key for each. Name it: LearnedEmbedding(placeholder, {"clip_l": vectors}).'
        )
    entries = {name: _own(embedding.vectors[name]) for name in ENCODERS if name in embedding.vectors}
    if "t5xxl" in entries:
        entries["t5"] = _own(entries["t5xxl"])  # ComfyUI knows the one name, diffusers' scripts the other
    return entries


LAYOUTS: dict[str, Callable[[Sequence[LearnedEmbedding]], dict[str, Any]]] = {
    "diffusers": _to_diffusers,
    "a1111": _to_a1111,
    "kohya": _to_kohya,
    "encoders": _to_encoders,
}


def entries_for(embeddings: Sequence[LearnedEmbedding], layout: str) -> dict[str, Any]:
    """What a file of this layout holds for them.

    Raises: OutputError, when the layout has no room for all of it.
    """
    return LAYOUTS[layout](embeddings)


def _only(embedding: LearnedEmbedding) -> Tensor:
    if len(embedding.vectors) > 1:
        raise OutputError(
            f"{embedding.placeholder!r} has vectors for {', '.join(embedding.vectors)}, and this layout has "
            'room for one encoder\'s, so the others would be lost. Write it with layout="encoders".'
        )
    return _own(next(iter(embedding.vectors.values())))


def _own(rows: Tensor) -> Tensor:
    """A copy: of a view, a file would get all that it is a view of."""
    return rows.clone(memory_format=torch.contiguous_format)


def _single(embeddings: Sequence[LearnedEmbedding]) -> LearnedEmbedding:
    if len(embeddings) != 1:
        names = ", ".join(repr(each.placeholder) for each in embeddings)
        raise OutputError(f"This layout holds one embedding, not {names}. Write each to a file of its own.")
    return embeddings[0]


def _named(metadata: Mapping[str, str], file_name: str) -> tuple[str, dict[str, str]]:
    others = dict(metadata)
    return others.pop(NAME, file_name), others


def _one(entries: dict[str, Any], what: str) -> list[tuple[str, Any]]:
    if len(entries) != 1:
        raise FileFormatError(f"has {len(entries)} entries in {what}, but an embedding is one.")
    return list(entries.items())


def _is_short(value: Any) -> bool:
    """Whether a field of A1111's is what it writes there."""
    return isinstance(value, str) or (isinstance(value, int | float) and abs(value) < 2**63)


def _tensor(key: str, rows: Any) -> Tensor:
    if not isinstance(rows, Tensor):
        raise FileFormatError(
            f"holds a {type(rows).__name__} under {key!r}, but learned vectors are a tensor."
        )
    return rows


def _summary(entries: Mapping[str, Any]) -> str:
    names = ", ".join(map(repr, sorted(entries, key=str)[:4])) + (", …" if len(entries) > 4 else "")
    return f"{len(entries)} entries ({names})"
