"""What user interfaces make of an embedding file: the name they call it by, and the metadata they show.

name       the file's stem, typed into a prompt (`embedding:stem` in ComfyUI). A1111 and Forge find it
           wherever its tokens stand, so an ordinary word would fire in every prompt; ComfyUI ends it at
           white space, a comma, < or [, and takes a number for a weight.
header     ComfyUI shows the metadata of files whose header is smaller than 1 MiB.
modelspec  title, architecture, trigger phrase and hint, as SwarmUI and kohya's tools read them
           (github.com/Stability-AI/ModelSpec, 1.0.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from .embedding import LearnedEmbedding

__all__ = ["doubtful_header", "doubtful_name", "modelspec"]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*(?<!\.)")
HEADER = 1 << 20
NEAR = 0.9  # of it
SPEC = "modelspec."
ARCHITECTURES = {  # by encoders and widths; Stable Diffusion 2 has two, which look alike
    (("text_encoder", 768),): "stable-diffusion-v1",
    (("clip_l", 768),): "stable-diffusion-v1",
    (("clip_g", 1280), ("clip_l", 768)): "stable-diffusion-xl-v1-base",
}


def doubtful_name(path: Path, is_word: bool) -> str | None:
    """Why user interfaces could not call this file by its name; None where they can.

    Args:
        is_word: whether prompts hold the stem as a word of its own.
    """
    stem = path.stem
    if not NAME.fullmatch(stem):
        why = "user interfaces cannot call it by that name"
    elif is_word:
        why = "A1111 and Forge would use it wherever a prompt has that word"
    else:
        return None
    return (
        f"{path}: '{stem}' is what a prompt would call it, and {why}. Take a name of letters, digits, '-', "
        "'_' and '.' that begins with a letter and is no ordinary word, such as my-cat-tea."
    )


def doubtful_header(path: Path) -> str | None:
    """Why user interfaces may not show the metadata of a safetensors file; None where they do."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size < NEAR * HEADER:
        return None
    return (
        f"{path}: its metadata take {size / HEADER:.1f} MiB, and ComfyUI shows none of 1 MiB or more. It "
        "works all the same."
    )


def modelspec(embedding: LearnedEmbedding, stem: str, hint: str) -> dict[str, str]:
    """Metadata by which user interfaces describe the file ``stem``; what is not known is left out."""
    widths = tuple(sorted((name, rows.shape[-1]) for name, rows in embedding.vectors.items()))
    base = ARCHITECTURES.get(widths)
    found: Mapping[str, str | None] = {
        "sai_model_spec": "1.0.1",
        "architecture": base and f"{base}/textual-inversion",
        "implementation": base and "https://github.com/Stability-AI/generative-models",
        "title": stem,
        "trigger_phrase": stem,
        "usage_hint": hint,
    }
    return {SPEC + name: said for name, said in found.items() if said}
