"""Custom Diffusion: the cross-attention's keys and values, and a token before the class word.

Of a U-Net only W_k and W_v of each cross-attention move, where text becomes picture, together with one row
of the token table. Prompts then say "<new1> cat"; prior preservation is part of the method.
Source: arXiv 2212.04488.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import PipelineError
from ..learned_embeds import LearnedEmbedding, write
from ..output import save_torch
from .families import Diffusion
from .learner import Group, Learner, Task
from .prior import PhraseSettings, class_latents, phrase_loss
from .token_rows import TokenRows, learning_rows

__all__ = ["CustomDiffusion", "custom_diffusion"]

WEIGHTS = "pytorch_custom_diffusion_weights.bin"  # safetensors would drop the layers that are not trained


@dataclass(frozen=True, kw_only=True)
class CustomDiffusion(PhraseSettings):
    """Settings of Custom Diffusion; the others are `PhraseSettings`' and `Settings`'.

    Args:
        placeholder: the modifier token, one new word in angle brackets: "<new1>"; prompts say "<new1> cat".
        lr: learning rate of keys and values.
        token_lr: of the token's row; None for ``lr``.
        initialiser: the words that the row starts from; None for the class word. The paper takes a rare one.
    """

    lr: float = 1e-5
    token_lr: float | None = None
    initialiser: str | None = None
    prior_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.placeholder.startswith("<") and self.placeholder.endswith(">")):
            raise self.refused("placeholder", 'its file is found by angle brackets; call it "<new1>"')
        if self.token_lr is not None and self.token_lr <= 0:
            raise self.refused("token_lr", "it must be greater than 0")

    @property
    def concept(self) -> str:
        return f"{self.placeholder} {self.class_word}"


@contextmanager
def custom_diffusion(task: Task, settings: CustomDiffusion) -> Iterator[Learner]:
    """The learner, while the U-Net's cross-attention has keys and values of its own."""
    family, pipe = task.family, task.family.pipe
    if not isinstance(family, Diffusion) or family.is_xl:
        raise PipelineError(
            f"train(): Custom Diffusion is for Stable Diffusion 1 and 2, not for {type(pipe).__name__}. "
            "Train it with DreamBoothLoRA."
        )
    prior = class_latents(task, settings)
    words = settings.initialiser or settings.class_word
    with (
        learning_rows(pipe, settings.placeholder, settings.class_word, words) as learned,
        _own_keys_and_values(pipe.unet) as weights,
    ):
        [token] = learned.values()
        row = {"row": token.rows}
        yield Learner(
            method="custom-diffusion",
            groups=[Group(weights, settings.lr), Group(row, settings.token_lr or settings.lr)],
            loss=phrase_loss(task, settings, prior, row),
            save=lambda path, step: _save(pipe, settings.placeholder, token, path),
            result="",
            suffix="",
            drift=token.drift,
        )


@contextmanager
def _own_keys_and_values(unet: Any) -> Iterator[Mapping[str, nn.Parameter]]:
    """Yields copies of the cross-attentions' keys and values, which the U-Net uses in place of its own."""
    from diffusers.models.attention_processor import CustomDiffusionAttnProcessor

    before = unet.attn_processors
    own = {}
    for name in before:
        layer = unet.get_submodule(name.removesuffix(".processor"))
        crosses = name.endswith("attn2.processor")
        own[name] = CustomDiffusionAttnProcessor(
            train_kv=crosses,
            train_q_out=False,
            hidden_size=layer.to_k.weight.shape[0],
            cross_attention_dim=layer.to_k.weight.shape[1],
        ).to(unet.device)
        if crosses:
            with torch.no_grad():
                own[name].to_k_custom_diffusion.weight.copy_(layer.to_k.weight)
                own[name].to_v_custom_diffusion.weight.copy_(layer.to_v.weight)
    unet.set_attn_processor(dict(own))
    try:
        yield {f"{name}.{part}": p for name, each in own.items() for part, p in each.named_parameters()}
    finally:
        unet.set_attn_processor(before)


def _save(pipe: Any, placeholder: str, token: TokenRows, folder: Path) -> None:
    """The two files that diffusers reads; each is written whole."""

    def save(weights: dict[str, Any], file: str) -> None:
        plain = {k: v.detach().cpu().clone() if isinstance(v, Tensor) else v for k, v in weights.items()}
        save_torch(plain, Path(file))

    folder.mkdir(parents=True, exist_ok=True)
    pipe.unet.save_attn_procs(folder, weight_name=WEIGHTS, save_function=save, safe_serialization=False)
    embedding = LearnedEmbedding(placeholder, {"text_encoder": token.rows.detach()})
    write(folder / f"{placeholder}.bin", embedding)
