"""LoRA files that other programs can use: one of diffusers' layout, and one of kohya's.

    diffusers  unet.down_blocks.0.….to_q.lora.down.weight, text_encoder.text_model.encoder.layers.0.…
    kohya      lora_unet_down_blocks_0_…_to_q.lora_down.weight, lora_te_text_model_encoder_layers_0_…, ….alpha

From transformers 5 on a CLIP text encoder's own names lack ``text_model.``, which ComfyUI, A1111 and the rest
look for: without it they drop the text half and say nothing. diffusers reads both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..components import Pipeline
from ..output import save_safetensors

__all__ = ["KOHYA", "RESULT", "as_kohya", "rename_text_half", "save_lora", "with_text_model"]

RESULT = "pytorch_lora_weights.safetensors"
KOHYA = "kohya_lora.safetensors"
TEXT = re.compile(r"^(text_encoder(?:_\d)?\.)(?=encoder\.layers\.)")


def save_lora(
    pipe: Pipeline,
    parts: Sequence[str],
    metadata: Mapping[str, str],
    path: Path,
    step: int,
    *,
    kohya: bool = False,
) -> None:
    """Write the adapters of some of the pipeline's parts as ``load_lora_weights`` takes them.

    Args:
        kohya: whether the training's result, not a checkpoint, has a file in kohya's layout beside it.
    """
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict

    layers = {}
    for part in parts:
        weights = get_peft_model_state_dict(getattr(pipe, part))
        layers[f"{part}_lora_layers"] = (
            weights if part == "transformer" else convert_state_dict_to_diffusers(weights)
        )

    def save(tensors: dict[str, Tensor], file: str) -> None:
        whole = with_text_model({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
        said = {**metadata, "steps": str(step)}
        save_safetensors(whole, Path(file), said)
        if kohya and path.name == RESULT:
            save_safetensors(as_kohya(whole), path.with_name(KOHYA), said)

    path.parent.mkdir(parents=True, exist_ok=True)
    pipe.save_lora_weights(path.parent, weight_name=path.name, save_function=save, **layers)


def with_text_model(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a LoRA, those of CLIP text encoders under the names that all programs know."""
    return {TEXT.sub(r"\1text_model.", name): tensor for name, tensor in tensors.items()}


def rename_text_half(path: str | Path) -> Path:
    """Give a LoRA file that was saved without ``text_model.`` the names that all programs know, in place.

    Every tensor stays as it is, bit for bit, and so do the metadata.
    """
    from safetensors import safe_open

    path = Path(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = {name: said for name, said in (file.metadata() or {}).items() if name != "format"}
    return save_safetensors(with_text_model(tensors), path, metadata)


def as_kohya(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A U-Net's LoRA, with or without its text encoders', in kohya's layout; the same tensors.

    Its layers' scale is 1: ``alpha`` is each one's rank.

    Args:
        tensors: as diffusers writes them.
    """
    several = any(name.startswith("text_encoder_2.") for name in tensors)
    prefixes = {
        "unet": "lora_unet",
        "text_encoder": "lora_te1" if several else "lora_te",
        "text_encoder_2": "lora_te2",
    }
    found: dict[str, Tensor] = {}
    for name, tensor in with_text_model(tensors).items():
        layer, _, kind = name.removesuffix(".weight").rpartition(".")
        part, _, layer = re.sub(r"\.lora(_linear_layer)?$", "", layer).partition(".")
        stem = f"{prefixes[part]}_{layer.replace('.', '_')}"
        found[f"{stem}.lora_{kind}.weight"] = tensor
        if kind == "down":
            found[f"{stem}.alpha"] = torch.tensor(float(len(tensor)))
    return found
