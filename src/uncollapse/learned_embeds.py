"""Learned embeddings in files: read, write, and load into a pipeline.

The layout is diffusers': one entry, the placeholder's name, holding ``[vectors, dim]`` or ``[dim]``, in
``.safetensors`` or in a torch pickle (``.bin``, ``.pt``), which is opened without running anything in it.
In a folder it is ``learned_embeds.safetensors``, or else ``learned_embeds.bin``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import FileFormatError, OutputError, PipelineError, PlaceholderError
from .output import write_atomically
from .placeholders import learned_tokens, token_names

__all__ = ["load_into", "read", "write"]

FOLDER_NAMES = ("learned_embeds.safetensors", "learned_embeds.bin")

WIDTHS = {
    768: "Stable Diffusion 1 (CLIP ViT-L/14; also the first encoder of SDXL, SD3 and Flux)",
    1024: "Stable Diffusion 2 (OpenCLIP ViT-H/14)",
    1280: "the second encoder of SDXL and SD3 (OpenCLIP ViT-bigG/14)",
    4096: "the T5-XXL encoder of SD3 and Flux",
}


def read(path: str | Path) -> tuple[str, Tensor]:
    """Read the embedding in a file, or in a folder that holds one.

    Returns: the placeholder it is stored under, and its vectors, ``[vectors, dim]``, on the CPU.
    Raises: FileFormatError, for a file that is missing, damaged, of another layout, or not finite.
    """
    file = _file_at(Path(path))
    entries = _entries(file)
    vectors = next(iter(entries.values())) if isinstance(entries, dict) and len(entries) == 1 else None
    if not isinstance(vectors, Tensor):
        raise FileFormatError(
            f"{file}: holds {_summary(entries)}, but a learned embedding in diffusers' layout is one tensor "
            "under the name of its placeholder. Save it as {placeholder: vectors}, for instance with "
            "learned_embeds.write()."
        )
    placeholder = next(iter(entries))
    if vectors.ndim not in (1, 2) or not vectors.is_floating_point() or vectors.numel() == 0:
        raise FileFormatError(
            f"{file}: {placeholder!r} is a {vectors.dtype} tensor of shape {list(vectors.shape)}, but "
            "learned vectors are floating point, [vectors, dim] or [dim]."
        )
    if not vectors.isfinite().all():
        raise FileFormatError(
            f"{file}: {placeholder!r} holds NaN or infinity: its training diverged. Use an earlier "
            "checkpoint."
        )
    return placeholder, vectors.detach().reshape(-1, vectors.shape[-1])


def write(
    path: str | Path, placeholder: str, vectors: Tensor, metadata: dict[str, str] | None = None
) -> Path:
    """Write an embedding in diffusers' layout, whole or not at all.

    Args:
        path: a ``.safetensors`` or ``.bin`` file; its folder is made.
        placeholder: the name it is stored under.
        vectors: ``[vectors, dim]`` or ``[dim]``.
        metadata: strings kept beside the tensor (``.safetensors`` only).

    Returns: the path written.
    Raises: OutputError, when it cannot be written there.
    """
    path = Path(path)
    entries = {placeholder: vectors.detach().cpu().contiguous()}
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        write_atomically(
            path, lambda file: save_file(entries, file, metadata={"format": "pt", **(metadata or {})})
        )
    elif path.suffix == ".bin" and not metadata:
        write_atomically(path, lambda file: torch.save(entries, file))
    else:
        raise OutputError(f"{path}: embeddings are written to .safetensors, or to .bin without metadata.")
    return path


def load_into(pipe, path: str | Path, placeholder: str | None = None) -> str:
    """Add an embedding's tokens to a pipeline's tokenizer and text encoder.

    Args:
        pipe: a pipeline with diffusers' ``load_textual_inversion``, which does the loading.
        path: as for ``read``.
        placeholder: the name to load it under; None for the one in the file.

    Returns: the placeholder to write in prompts.
    Raises: FileFormatError, also for vectors made for another model; PlaceholderError, when the name is
        taken; PipelineError. The pipeline is then as it was.
    """
    stored, vectors = read(path)
    name = stored if placeholder is None else placeholder
    if not hasattr(pipe, "load_textual_inversion"):
        raise PipelineError(
            f"load_into(): {type(pipe).__name__} has no load_textual_inversion(), so it takes no learned "
            "tokens. Use a pipeline of Stable Diffusion 1 or 2."
        )
    _check_width(path, vectors.shape[-1], pipe.text_encoder.get_input_embeddings().weight.shape[-1])
    _check_free(pipe.tokenizer, name, len(vectors))
    pipe.load_textual_inversion({name: vectors}, token=name)
    return name


def _check_width(path: str | Path, arrived: int, expected: int) -> None:
    if arrived != expected:
        origin = f", the width of {WIDTHS[arrived]}" if arrived in WIDTHS else ""
        model = f", the width of {WIDTHS[expected]}" if expected in WIDTHS else ""
        raise FileFormatError(
            f"{path}: its vectors have {arrived} components{origin}, but this pipeline's tokens have "
            f"{expected}{model}. Use an embedding trained for this model."
        )


def _check_free(tokenizer, name: str, count: int) -> None:
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


def _file_at(path: Path) -> Path:
    if path.is_file():
        return path
    for file in (path / name for name in FOLDER_NAMES):
        if file.is_file():
            return file
    what = f"a folder without {' or '.join(FOLDER_NAMES)}" if path.is_dir() else "no such file"
    raise FileFormatError(f"{path}: {what}. Give the path of a learned embedding (.safetensors or .bin).")


def _entries(file: Path) -> Any:
    """What is in the file, whatever it is; safetensors by its name, anything else as a torch pickle."""
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # each library has its own family of errors for a damaged file
        kind = "safetensors" if file.suffix == ".safetensors" else "a torch file of tensors"
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise FileFormatError(
            f"{file}: cannot be read as {kind}: {reason[:200]} Download or export it again; pickles that "
            "hold code are refused on purpose."
        ) from error


def _summary(entries: object) -> str:
    if not isinstance(entries, dict):
        return f"a {type(entries).__name__}"
    names = ", ".join(map(repr, sorted(entries, key=str)[:4])) + (", …" if len(entries) > 4 else "")
    return f"{len(entries)} entries ({names})"
