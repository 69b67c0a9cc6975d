"""A personalised pipeline from what people have: a model, a LoRA, an embedding, each a path or a hub id.

diffusers and peft report trouble in many ways; here every one becomes one sentence that names the file.
"""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..admission import is_there, reason, torch_from
from ..components import Pipeline
from ..errors import (
    FileFormatError,
    PipelineError,
    PlaceholderError,
    Setting,
    UncollapseError,
    UncollapseWarning,
)
from ..placeholders import mentions
from .single_file import load_single_file

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "check_placeholder",
    "check_trigger",
    "first_line",
    "image_paths",
    "load_images",
    "load_lora",
    "load_pipeline",
]

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
WEIGHT_SUFFIXES = {".safetensors", ".bin", ".pt", ".ckpt"}
TORCH_SUFFIXES = {".bin", ".pt", ".ckpt"}
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
UNREAD_SUFFIXES = {".heic", ".heif", ".avif", ".gif", ".bmp", ".tif", ".tiff"}
TRIGGER_KEYS = ("placeholder", "instance_prompt", "modelspec.trigger_phrase")  # ours, diffusers', kohya's


def load_pipeline(
    model: str | Path, *, device: str | None = None, dtype: torch.dtype | None = None
) -> Pipeline:
    """Load a diffusers pipeline from a folder, a hub id, or a single file.

    Args:
        model: a folder with ``model_index.json``; ``owner/name``, which alone reaches for the network, and
            only for what is not cached; or a ``.safetensors`` or ``.ckpt`` checkpoint of Stable Diffusion 1,
            2 or XL.
        device: ``"cpu"``, ``"cuda"``, …; by default CUDA where there is one.
        dtype: of the weights; by default float16 on CUDA, float32 elsewhere.

    Raises: PipelineError; FileFormatError, for a single file that is damaged, or loaded into a model.
    """
    name = _existing(model, "model")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise PipelineError(
            "There is no CUDA device here that torch can use. Leave out ", Setting("device"), "."
        )
    dtype = dtype or (torch.float16 if device.startswith("cuda") else torch.float32)
    single = Path(name).is_file()
    try:
        pipe = load_single_file(Path(name), dtype) if single else _from_pretrained(name, dtype)
        pipe.to(device)
    except UncollapseError:
        raise
    except Exception as error:  # a broken folder fails in as many ways as it has files
        raise PipelineError(f"'{name}' does not load as a diffusers pipeline: {first_line(error)}") from error
    return pipe


def _from_pretrained(name: str, dtype: torch.dtype) -> Pipeline:
    if Path(name).exists() and not (Path(name) / "model_index.json").is_file():
        raise PipelineError(
            f"'{name}' is no diffusers pipeline: it has no model_index.json. Give the folder that "
            "save_pretrained() wrote, or a single file."
        )
    from diffusers import DiffusionPipeline  # seconds, which a wrong name need not wait for

    pipe: Pipeline = DiffusionPipeline.from_pretrained(name, dtype=dtype)
    return pipe


def load_lora(pipe: Pipeline, lora: str | Path) -> None:
    """Load a LoRA file, folder or hub id into ``pipe``.

    Raises: PipelineError where the pipeline takes none, FileFormatError where the file is unreadable,
        foreign or holds NaN; the pipeline has then no adapter more than before.
    """
    if not hasattr(pipe, "load_lora_weights"):
        raise PipelineError(f"{type(pipe).__name__} takes no LoRA: it has no load_lora_weights().")
    name = _existing(lora, "LoRA")
    _metadata(Path(name))
    _check_pickle(Path(name))
    before = _adapters(pipe)
    try:
        pipe.load_lora_weights(name)
    except Exception as error:  # diffusers and peft raise ValueError, KeyError, RuntimeError, OSError, …
        raise FileFormatError(
            f"The LoRA '{name}' does not fit {type(pipe).__name__}: {first_line(error)} "
            "Load it with the base model it was trained on."
        ) from error
    if not _adapters(pipe):
        raise FileFormatError(
            f"'{name}' holds no LoRA weights for {type(pipe).__name__}. "
            "Load it with the base model it was trained on."
        )
    if broken := _not_finite(pipe, _adapters(pipe) - before):
        with warnings.catch_warnings(action="ignore"):  # of which adapter becomes the active one
            pipe.delete_adapters(sorted(_adapters(pipe) - before))
        raise FileFormatError(
            f"The LoRA '{name}' holds NaN or infinity, in '{broken}': it would draw black pictures. Its "
            "training diverged, or its numbers are too large for this dtype. Use an earlier checkpoint, or "
            "another ",
            Setting("dtype"),
            ".",
        )


def _adapters(pipe: Pipeline) -> set[str]:
    return {name for names in pipe.get_list_adapters().values() for name in names}


def _not_finite(pipe: Pipeline, adapters: set[str]) -> str | None:
    """The first module whose weights or scale in one of the adapters are not finite."""
    for component in pipe.components.values():
        for name, module in component.named_modules() if isinstance(component, torch.nn.Module) else ():
            scales = getattr(module, "scaling", None)
            if isinstance(scales, dict) and any(not math.isfinite(scales.get(a, 1.0)) for a in adapters):
                return str(name)
            own = name.rpartition(".")
            if own[2] in adapters and any(not p.isfinite().all() for p in module.parameters()):
                return str(own[0])
    return None


def image_paths(folder: str | Path) -> list[Path]:
    """All PNG, JPEG and WebP files of a folder, by name.

    Raises: FileFormatError, for a folder that holds none.
    """
    if not is_there(Path(folder)):
        raise FileFormatError(f"There is no folder at '{folder}'. Give a folder of photos.")
    paths = sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise FileFormatError(f"'{folder}' holds no PNG, JPEG or WebP image. Give a folder of photos.")
    return paths


def load_images(folder: str | Path) -> list[Image]:
    """All PNG, JPEG and WebP images of a folder, by name, turned upright; of others a warning says so.

    Raises: FileFormatError, naming the image that cannot be read, or the folder that holds none.
    """
    from PIL import Image, ImageOps

    images, paths = [], image_paths(folder)
    if left := sorted(p.name for p in Path(folder).glob("*") if p.suffix.lower() in UNREAD_SUFFIXES):
        text = f"'{folder}': {', '.join(left)} left out. Save them as PNG, JPEG or WebP to have them used."
        warnings.warn(text, UncollapseWarning, stacklevel=2)
    for path in paths:
        try:
            with Image.open(path) as image:
                images.append(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise FileFormatError(
                f"'{path}' cannot be read as an image: {reason(error)} Take it out."
            ) from error
    return images


def check_placeholder(pipe: Pipeline, placeholder: str) -> None:
    """A placeholder written as a token, ``<my-cat>``, must be one.

    Raises: PlaceholderError.
    """
    tokenizer = getattr(pipe, "tokenizer", None)
    if tokenizer is None or not re.fullmatch(r"<\S+>", placeholder):
        return
    if placeholder not in tokenizer.get_added_vocab():
        raise PlaceholderError(
            f"The tokenizer does not know '{placeholder}'. Load the embedding that learned it with ",
            Setting("embedding"),
            ".",
        )


def check_trigger(lora: str | Path, placeholder: str) -> None:
    """A LoRA that states the words it was trained on must have been trained on these.

    Raises: PlaceholderError; FileFormatError for a damaged file.
    """
    metadata = _metadata(Path(lora).expanduser())
    stated = [metadata[key] for key in TRIGGER_KEYS if key in metadata]
    if stated and not any(mentions(words, placeholder) for words in stated):
        raise PlaceholderError(
            f"The LoRA '{lora}' was trained on '{stated[0]}' and does not know '{placeholder}'. "
            "Give its own words with ",
            Setting("placeholder"),
            ".",
        )


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, ended by a full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(" .:") + "."


def _existing(source: str | Path, kind: str) -> str:
    """``source`` as it stands if it is there or could be a hub id; an error otherwise."""
    path = Path(source).expanduser()
    if is_there(path):
        return str(path)
    if HUB_ID.fullmatch(str(source)) and path.suffix not in WEIGHT_SUFFIXES:
        return str(source)
    error = PipelineError if kind == "model" else FileFormatError
    raise error(
        f"There is no {kind} at '{source}'. Give a folder, a hub id such as owner/name, or a single file."
    )


def _metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; nothing for other files. A damaged one is named as such."""
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise FileFormatError(
            f"'{path}' is damaged or no safetensors file: {first_line(error)} Download or copy it again."
        ) from error


def _check_pickle(path: Path) -> None:
    """Raise FileFormatError for a torch file that is damaged or runs code, which diffusers does not say."""
    if path.suffix not in TORCH_SUFFIXES or not path.is_file():
        return
    try:
        torch_from(path, mmap=True)
    except Exception as error:  # torch and pickle raise whatever the bytes lead them to
        raise FileFormatError(
            f"'{path}' is damaged or no torch file of tensors: {reason(error)} Download or copy it again; "
            "pickles that hold code are refused on purpose."
        ) from error
