"""Reading: from a file or a folder to the embeddings in it. Nothing in a file is ever run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from ..admission import check_tensors, entries_of, is_there, json_from, reason, text_from, torch_from
from ..components.names import ONLY
from ..errors import EmbeddingError, FileFormatError, ForeignFileError, PlaceholderError, Setting
from ..placeholders import token_names
from .embedding import LearnedEmbedding
from .image import SUFFIXES as IMAGE_SUFFIXES
from .image import entries_in_image
from .layouts import embeddings_from, layout_of, wanted

__all__ = ["SUFFIXES", "files_at", "files_in", "read", "read_all", "safely"]

Contents = TypeVar("Contents")

SAFETENSORS = {".safetensors", ".pti"}  # the latter is what some SDXL trainers call theirs
SUFFIXES = SAFETENSORS | IMAGE_SUFFIXES | {".pt", ".bin"}
CHECKPOINT = ("state_dict", "model.diffusion_model.", "cond_stage_model.", "conditioner.embedders.")
FOLDER_NAMES = ("learned_embeds.safetensors", "learned_embeds.bin", "adapter_model.safetensors")


def read(path: str | Path, placeholder: str | None = None) -> LearnedEmbedding:
    """Read one learned embedding, whatever its layout.

    Args:
        path: a ``.safetensors``, ``.pt`` or ``.bin`` file, a picture that carries one, a LoRA that bundles
            one, or a folder as diffusers, PEFT or Custom Diffusion write it.
        placeholder: which one, where the file holds several.

    Returns: the embedding, its vectors on the CPU as they are in the file.
    Raises: FileFormatError, for a file that is missing, damaged, of something else, or not finite;
        PlaceholderError, when it holds several and none was chosen, or not the one that was.
    """
    found = read_all(path)
    names = ", ".join(repr(each.placeholder) for each in found)
    chosen = [each for each in found if placeholder in (None, each.placeholder)]
    if not chosen:
        raise PlaceholderError(f"{path}: holds no embedding {placeholder!r}, only {names}.")
    if len(chosen) > 1:
        raise PlaceholderError(f"{path}: holds {len(found)} embeddings, {names}. Say which one.")
    return chosen[0]


def read_all(path: str | Path) -> list[LearnedEmbedding]:
    """Read all the learned embeddings of a file or folder, of which a LoRA may bundle several.

    Args:
        path: a ``.safetensors``, ``.pt`` or ``.bin`` file, a picture that carries one, a LoRA, or a folder as
            diffusers, PEFT or Custom Diffusion write it.

    Returns: them in the file's order, their vectors on the CPU as they are in the file.
    Raises: FileFormatError, for a file that is missing, damaged, of something else, or not finite.
    """
    return [embedding for file in files_at(Path(path)) for embedding in _read_file(file)]


def _read_file(file: Path) -> list[LearnedEmbedding]:
    contents, metadata = _contents(file)
    if not isinstance(contents, Mapping):
        raise ForeignFileError(f"{file}: holds a {type(contents).__name__}, which is no learned embedding.")
    entries = entries_of(contents, str(file))
    if file.suffix.lower() not in IMAGE_SUFFIXES:  # they hold no tensors as such, and were measured
        check_tensors(entries, file)
    name = file.stem if file.name not in FOLDER_NAMES else file.absolute().parent.name
    try:
        found = embeddings_from(entries, metadata, name)
        return [part for each in found for part in _peft_tokens(file, each)]
    except (EmbeddingError, FileFormatError) as error:
        kind = type(error) if isinstance(error, FileFormatError) else FileFormatError
        raise kind(f"{file}: ", *error.parts, *_hint(entries)) from error


def _hint(entries: Mapping[str, Any]) -> tuple[str, ...]:
    if any("custom_diffusion" in str(key) for key in entries):
        return (" They are Custom Diffusion's weights; the embedding is in the .bin file beside them.",)
    if any("lora" in str(key) for key in entries):
        return " It is a LoRA: load it with pipe.load_lora_weights() or ", Setting("lora"), "."
    if any(str(key).startswith(CHECKPOINT) for key in entries):
        return " It is a whole model: that goes with ", Setting("model"), ", and a learned embedding here."
    return ()


def files_at(path: Path) -> list[Path]:
    """The file at ``path``, or those in a folder that hold its embeddings.

    Raises: FileFormatError, when there is none.
    """
    if is_there(path) and path.is_file():
        return [path]
    for file in (path / name for name in FOLDER_NAMES):
        if is_there(file):
            return [file]
    if modifiers := is_there(path) and sorted(
        [*path.glob("<*>.bin"), *path.glob("<*>.safetensors")]
    ):  # Custom Diffusion
        return modifiers
    what = f"a folder without {', '.join(FOLDER_NAMES)} or <…>.bin" if is_there(path) else "no such file"
    raise FileFormatError(
        f"{path}: {what}. Give the path of a learned embedding (.safetensors, .pt or .bin) on this machine: "
        "nothing is downloaded by its hub id here."
    )


def files_in(folder: Path) -> list[Path]:
    """The files in a folder, at any depth, that may hold embeddings, in the order of their paths.

    What is hidden, such as a stopped program's scratch files, is passed over.
    """
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(
        path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _contents(file: Path) -> tuple[Any, dict[str, str]]:
    """The file's entries and metadata, whatever they are; of a large file only what belongs to embeddings."""
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return entries_in_image(file), {}
    return _or_say_why(
        file, lambda: _safetensors(file) if _is_safetensors(file) else (torch_from(file, True), {})
    )


def safely(file: Path) -> Any:
    """All that a ``.safetensors`` or torch file holds, nothing in it run.

    Raises: FileFormatError.
    """
    from safetensors.torch import load_file

    return _or_say_why(file, lambda: load_file(file) if _is_safetensors(file) else torch_from(file))


def _is_safetensors(file: Path) -> bool:
    return file.suffix.lower() in SAFETENSORS


def _or_say_why(file: Path, load: Callable[[], Contents]) -> Contents:
    try:
        return load()
    except Exception as error:  # each library has its own family of errors for a damaged file
        kind = "safetensors" if _is_safetensors(file) else "a torch file of tensors"
        checkpoint = " A .ckpt file is a whole model as a rule." if file.suffix.lower() == ".ckpt" else ""
        raise FileFormatError(
            f"{file}: cannot be read as {kind}: {reason(error)} Download or export it again; pickles that "
            f"hold code are refused on purpose.{checkpoint}"
        ) from error


def _safetensors(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        names = list(opened.keys())
        layout = layout_of(names)
        metadata = {k: v for k, v in (opened.metadata() or {}).items() if (k, v) != ("format", "pt")}
        if layout is None:
            return dict.fromkeys(names), metadata
        return {name: opened.get_tensor(name) for name in names if wanted(name, layout)}, metadata


def _peft_tokens(file: Path, embedding: LearnedEmbedding) -> list[LearnedEmbedding]:
    """A PEFT adapter's rows under the names that the tokenizer saved beside it has for them.

    Without one they keep the folder's name: the adapter itself knows its tokens by number only.
    """
    tokenizer, config = file.with_name("tokenizer.json"), file.with_name("adapter_config.json")
    if embedding.layout != "peft" or not tokenizer.is_file() or not config.is_file():
        return [embedding]
    try:
        settings = json_from(text_from(config))
        added = json_from(text_from(tokenizer))["added_tokens"]
        ids = settings.get("token_indices") or settings["trainable_token_indices"]
        [ids] = ids.values() if isinstance(ids, dict) else [ids]
        names = {token["id"]: token["content"] for token in added}
        rows = {names[i]: row for i, row in zip(ids, embedding.vectors[ONLY], strict=True)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [embedding]
    found = []
    while rows:
        name = next(iter(rows))
        several = [each for each in token_names(name, len(rows)) if each in rows]
        stacked = torch.stack([rows.pop(each) for each in several])
        found.append(embedding.replace(placeholder=name, vectors={ONLY: stacked}))
    return found
