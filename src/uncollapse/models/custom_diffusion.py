"""Custom Diffusion, and what is stored like it (ClassDiffusion): the cross-attention's keys and values, and
the modifier tokens trained with them.

    diffusers   a folder with ``pytorch_custom_diffusion_weights.bin`` and ``<new1>.bin``
    original    one file, {"unet": {parameter: weights}, "modifier_token": {placeholder: row}}

diffusers 0.42 loads the former only when it is also given the pipeline (else it does nothing, silently), and
fails where safetensors have dropped the layers that were not trained; the latter it does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..components import Pipeline
from ..errors import FileFormatError, PipelineError, Setting
from ..learned_embeds import load_into, read_all
from ..learned_embeds.embedding import PLAIN
from ..learned_embeds.reading import safely

__all__ = ["load_custom_diffusion"]

WEIGHTS = (
    "pytorch_custom_diffusion_weights.safetensors",
    "pytorch_custom_diffusion_weights.bin",
    "delta.bin",
)


def load_custom_diffusion(pipe: Pipeline, source: str | Path) -> list[str]:
    """Load the weights and the modifier tokens of one training into a Stable Diffusion pipeline.

    Args:
        pipe: the base model that it was trained on; changed in place.
        source: the folder, or the file of weights.

    Returns: the modifier tokens, for prompts such as "a photo of <new1> cat": adjust at prompt level, with
        "<new1> cat" as the placeholder and "cat" as its anchor.
    Raises: FileFormatError, when something is missing, damaged, of something else or of another model;
        PipelineError, when the pipeline has no U-Net; PlaceholderError, when a token is taken. The U-Net is
        then as it was.
    """
    unet = getattr(pipe, "unet", None)
    if unet is None:
        raise PipelineError(f"{type(pipe).__name__} takes no Custom Diffusion: it has no U-Net.")
    file = _weights_file(Path(source))
    entries = safely(file)
    original = isinstance(entries, Mapping) and isinstance(entries.get("unet"), Mapping)
    put_in = _delta(unet, file, entries["unet"]) if original else _processors(pipe, file, entries)
    token_files = [file] if original else sorted(file.parent.glob("<*>.*"))
    names = [(each, embedding.placeholder) for each in token_files for embedding in read_all(each)]
    for each, name in names:
        load_into(pipe, each, name)
    put_in()
    return [name for _, name in names]


def _weights_file(source: Path) -> Path:
    candidates = [source] if source.is_file() else [source / name for name in WEIGHTS]
    for file in candidates:
        if file.is_file():
            return file
    raise FileFormatError(
        f"{source}: holds no Custom Diffusion weights. Give the folder with {' or '.join(WEIGHTS)}."
    )


def _check_weights(file: Path, weights: Mapping[str, Any]) -> None:
    """Raise FileFormatError, unless all are tensors of finite numbers, or nothing: layers not trained."""
    for name, value in weights.items():
        if isinstance(value, Mapping) and not value:
            continue
        if not isinstance(value, Tensor) or value.dtype not in PLAIN:
            what = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise FileFormatError(
                f"{file}: its '{name}' is a {what}, but weights are tensors of floating point, of 16 bits or "
                "more. Download or export it again."
            )
        if not value.isfinite().all():
            raise FileFormatError(
                f"{file}: its '{name}' holds NaN or infinity: its training diverged. Use an earlier "
                "checkpoint."
            )


def _delta(unet: nn.Module, file: Path, weights: Mapping[str, Tensor]) -> Callable[[], None]:
    _check_weights(file, weights)
    own = dict(unet.named_parameters())
    for name, value in weights.items():
        if name not in own or own[name].shape != value.shape:
            raise _foreign(file, name)

    @torch.no_grad()
    def put_in() -> None:
        for name, value in weights.items():
            own[name].copy_(value)

    return put_in


def _processors(pipe: Pipeline, file: Path, entries: Any) -> Callable[[], None]:
    unet = pipe.unet
    own = unet.attn_processors
    if not isinstance(entries, Mapping) or not any("custom_diffusion" in str(key) for key in entries):
        raise FileFormatError(
            f"{file}: holds no Custom Diffusion weights. A LoRA is loaded with ", Setting("lora"), "."
        )
    _check_weights(file, entries)
    for key, value in entries.items():
        name, _, parameter = key.partition(".processor.")
        if key not in own and f"{name}.processor" not in own:
            raise _foreign(file, key)
        if parameter.startswith("to_k") and unet.get_submodule(name).to_k.weight.shape != value.shape:
            raise _foreign(file, key)
    trained = {key.partition(".processor.")[0] + ".processor" for key in entries if ".processor." in key}
    complete = {**entries, **{name: {} for name in own if name not in trained}}
    return lambda: unet.load_attn_procs(complete, _pipeline=pipe)


def _foreign(file: Path, name: str) -> FileFormatError:
    return FileFormatError(
        f"{file}: its '{name}' does not fit this U-Net. Load it with the base model it was trained on."
    )
