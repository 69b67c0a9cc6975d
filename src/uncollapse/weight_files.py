"""What a file of weights is, by the names in it: a checkpoint, or something that is loaded into a model.

People give one for the other, so both who loads a model and who reads its words ask here. Weights are left in
their file until they are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from .admission import check_tensors, is_there, reason, torch_from, unwrapped
from .errors import FileFormatError, Setting, UncollapseError
from .learned_embeds import read_all

__all__ = ["UNET", "holds_checkpoint", "loaded_into_models", "opened"]

UNET = "model.diffusion_model."  # before its weights' names, in every checkpoint in one file
SUFFIXES = {".safetensors", ".ckpt", ".pt", ".pth", ".bin"}
LORA = re.compile(r"^lora|[._](lora|lokr|hada)[._]")


def opened(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The entries and the metadata of a ``.safetensors`` or torch file, without what trainers wrap them in.

    Raises: FileFormatError, for a file that is damaged, holds code, or is none of weights.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file

    if file.suffix.lower() not in SUFFIXES:
        raise FileFormatError(f"'{file}' is no file of weights. {WANTED}")
    metadata: dict[str, str] = {}
    is_safe = file.suffix.lower() == ".safetensors"
    try:
        if is_safe:
            with safe_open(file, framework="pt") as safe:
                metadata = safe.metadata() or {}
            contents: Any = load_file(file)
        else:
            contents = unwrapped(torch_from(file, mmap=True))
    except Exception as error:  # each library has its own family of errors for a damaged file
        again = "Download or copy it again." if is_safe else AS_SAFETENSORS
        raise FileFormatError(
            f"'{file}' cannot be read as a model's weights: {reason(error)} {again}"
        ) from error
    if not isinstance(contents, dict) or not all(isinstance(key, str) for key in contents):
        raise FileFormatError(f"'{file}' holds no weights by name. {WANTED}")
    if isinstance(contents.get("state_dict"), dict):  # which a library would unwrap for ever
        raise FileFormatError(f"'{file}' is damaged: its state_dict holds another in itself. {WANTED}")
    for each in contents.values():
        if isinstance(each, Tensor):
            check_tensors(each, file)
    return contents, metadata


AS_SAFETENSORS = "Give it as .safetensors; pickles that hold code are refused on purpose."
WANTED = "Give a .safetensors or .ckpt checkpoint, or the folder that save_pretrained() wrote."


def holds_checkpoint(path: Path) -> bool:
    """Whether there is a whole model in a file; what cannot be read holds none."""
    if path.suffix.lower() not in SUFFIXES or not is_there(path) or not path.is_file():
        return False
    try:
        return any(key.startswith(UNET) for key in opened(path)[0])
    except FileFormatError:
        return False


def loaded_into_models(file: Path, names: Iterable[str]) -> tuple[str, Setting] | None:
    """What a file is, and the setting that takes it, where it is loaded into models; None for any other.

    Args:
        file: what was given as a model.
        names: of its entries.
    """
    names = set(names)
    if any(LORA.search(name) for name in names):
        return "a LoRA", Setting("lora")
    if any("custom_diffusion" in name for name in names) or {"unet", "modifier_token"} <= names:
        return "of a Custom Diffusion training", Setting("custom_diffusion")
    try:
        read_all(file)
    except UncollapseError:
        return None
    return "an embedding", Setting("embedding")
