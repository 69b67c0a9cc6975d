"""DreamBooth-LoRA: low-rank adapters in the denoiser, and in the text encoders if asked, learn one phrase.

    W' = W + B·A,  B = 0 at first   (LoRA, arXiv 2106.09685)

The photos are all "a photo of sks cat" (DreamBooth, arXiv 2208.12242); with ``prior_weight`` "cat" stays what
it was. With the text encoders frozen the phrase is encoded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from ..components import Pipeline
from ..errors import PipelineError
from ..models.loading import load_lora
from .families import Family, Flow
from .learner import Group, Learner, Task
from .lora_files import RESULT, save_lora
from .methods import registered
from .prior import PhraseSettings, class_latents, phrase_loss

__all__ = ["DreamBoothLoRA"]

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
JOINT_ATTENTION = [*ATTENTION, "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"]  # Flux
CLIP_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")


@registered
@dataclass(frozen=True, kw_only=True)
class DreamBoothLoRA(PhraseSettings):
    """Settings of DreamBooth-LoRA; the others are `PhraseSettings`' and `Settings`'.

    Args:
        placeholder: the phrase for the concept, a rare word and its class: "sks cat".
        lr: learning rate of the denoiser's adapters.
        text_lr: learning rate of the CLIP text encoders'; None for frozen text encoders.
        text_layers: which of their attention's layers get adapters, with commas between. Queries and keys
            alone change which word listens to which, and leave the empty prompt, which guidance leads away
            from, as it was.
        text_from: the step at which the text encoders' adapters begin to move.
        denoiser_until: the step at which the denoiser's adapters stop; None for never.
        rank: rank of the adapters.
        kohya: write the result a second time, as ``kohya_lora.safetensors``, in the layout that A1111, Forge
            and ComfyUI know from kohya's trainers.
    """

    name: ClassVar[str] = "dreambooth-lora"
    summary: ClassVar[str] = "Learn a phrase in low-rank adapters: a few megabytes."
    example: ClassVar[str] = "sks {}"
    needs: ClassVar[Mapping[str, str]] = {
        **PhraseSettings.needs,
        **dict.fromkeys(("text_layers", "text_from", "semantic_preservation"), "text_lr"),
    }

    lr: float = 1e-4
    text_lr: float | None = None
    text_layers: str = ",".join(CLIP_ATTENTION)
    text_from: int = 0
    denoiser_until: int | None = None
    rank: int = 8
    kohya: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise self.refused("rank", "it must be at least 1")
        if self.text_from < 0:
            raise self.refused("text_from", "it cannot be negative")
        if self.text_lr is not None and self.text_lr <= 0:
            raise self.refused("text_lr", "it must be greater than 0; leave it out for frozen text encoders")
        if not set(self.text_targets) <= set(CLIP_ATTENTION):
            raise self.refused("text_layers", f"a CLIP attention has {', '.join(CLIP_ATTENTION)}")
        if self.denoiser_until is not None and (self.text_lr is None or self.text_from > self.denoiser_until):
            raise self.refused(
                "denoiser_until", "nothing would move after it; begin with the text encoders by then"
            )

    @property
    def text_targets(self) -> list[str]:
        """``text_layers``, one by one."""
        return [name.strip() for name in self.text_layers.split(",")]

    @contextmanager
    def learner(self, task: Task) -> Iterator[Learner]:
        """The learner, while the pipeline has the adapters."""
        family, pipe = task.family, task.family.pipe
        if self.kohya and isinstance(family, Flow):
            raise self.refused("kohya", "its layout is written for models with a U-Net only")
        prior = class_latents(task, self)
        with _adapters(family, self) as adapted:
            denoiser, *encoders = adapted
            text = {name: p for each in encoders for name, p in _trainable(pipe, each).items()}
            moving = Group(_trainable(pipe, denoiser), self.lr, last=self.denoiser_until)
            text_group = Group(text, self.text_lr or 0.0, first=self.text_from)
            metadata = {**task.metadata, "instance_prompt": self.phrase}
            yield Learner(
                groups=[moving, text_group] if text else [moving],
                loss=phrase_loss(task, self, prior, text),
                save=partial(save_lora, pipe, adapted, metadata, kohya=self.kohya),
                result=RESULT,
            )

    @classmethod
    @contextmanager
    def loaded(
        cls, pipe: Pipeline, path: Path, placeholder: str, load_base: Callable[[], Pipeline]
    ) -> Iterator[Pipeline]:
        """The pipeline itself, with the checkpoint's adapters; without any afterwards."""
        load_lora(pipe, path)
        try:
            yield pipe
        finally:
            pipe.unload_lora_weights()


@contextmanager
def _adapters(family: Family, settings: DreamBoothLoRA) -> Iterator[list[str]]:
    """Yields the names of the parts that have adapters, the denoiser's first; without them afterwards."""
    from diffusers.training_utils import cast_training_params
    from peft import LoraConfig

    pipe = family.pipe
    if any(pipe.get_list_adapters().values()):
        raise PipelineError(
            "train(): the pipeline has a LoRA loaded, which the new one would be learned on top of. Call "
            "pipe.unload_lora_weights() first."
        )
    parts = {"transformer": JOINT_ATTENTION} if isinstance(family, Flow) else {"unet": ATTENTION}
    if settings.text_lr is not None:
        parts |= dict.fromkeys(_clip_encoders(pipe), settings.text_targets)
    try:
        for name, targets in parts.items():
            config = LoraConfig(
                r=settings.rank,
                lora_alpha=settings.rank,
                target_modules=targets,
                init_lora_weights="gaussian",
            )
            getattr(pipe, name).add_adapter(config)
            cast_training_params(getattr(pipe, name), torch.float32)
        yield list(parts)
    finally:
        pipe.unload_lora_weights()


def _clip_encoders(pipe: Pipeline) -> list[str]:
    names = [name for name in ("text_encoder", "text_encoder_2") if getattr(pipe, name, None) is not None]
    return [name for name in names if getattr(pipe, name).config.model_type.startswith("clip")]


def _trainable(pipe: Pipeline, part: str) -> Mapping[str, nn.Parameter]:
    """The adapters' parameters, which are all that takes gradients."""
    return {f"{part}.{name}": p for name, p in getattr(pipe, part).named_parameters() if p.requires_grad}
