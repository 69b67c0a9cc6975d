"""Custom Diffusion: the cross-attention's keys and values, and a token before the class word.

Of a U-Net only W_k and W_v of each cross-attention move, where text becomes picture, together with one row
of the token table. Prompts then say "<new1> cat"; prior preservation is part of the method.
Source: arXiv 2212.04488.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..components import Pipeline
from ..errors import PipelineError
from ..learned_embeds import LearnedEmbedding, write
from ..models.custom_diffusion import load_custom_diffusion
from ..output import save_torch
from .families import Diffusion, Family
from .learner import Group, Learner, Task
from .methods import registered
from .prior import PhraseSettings, class_latents, phrase_loss
from .token_rows import TokenRows, learning_rows

__all__ = ["CustomDiffusion"]

WEIGHTS = "pytorch_custom_diffusion_weights.bin"  # safetensors would drop the layers that are not trained


@registered
@dataclass(frozen=True, kw_only=True)
class CustomDiffusion(PhraseSettings):
    """Settings of Custom Diffusion; the others are `PhraseSettings`' and `Settings`'.

    Args:
        placeholder: the modifier token, one new word in angle brackets: "<new1>"; prompts say "<new1> cat".
        lr: learning rate of keys and values.
        token_lr: learning rate of the token's row; None for ``lr``.
        initialiser: the words that the row starts from; None for the class word. The paper takes a rare one.
    """

    name: ClassVar[str] = "custom-diffusion"
    summary: ClassVar[str] = "Learn a token and the cross-attention's keys and values."
    example: ClassVar[str] = "<new1>"
    given_as: ClassVar[str] = "custom_diffusion"

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
    def learner(self, task: Task) -> Iterator[Learner]:
        """The learner, while the U-Net's cross-attention has keys and values of its own."""
        pipe = _unet_pipeline(task.family)
        prior = class_latents(task, self)
        words = self.initialiser or self.class_word
        with (
            learning_rows(pipe, self.placeholder, self.class_word, words) as learned,
            _own_keys_and_values(pipe.unet) as weights,
        ):
            [token] = learned.values()
            row = {"row": token.rows}
            yield Learner(
                groups=[Group(weights, self.lr), Group(row, self.token_lr or self.lr)],
                loss=phrase_loss(task, self, prior, row),
                save=lambda path, step: _save(pipe, self.placeholder, token, path),
                result="",
                suffix="",
                drift=token.drift,
            )

    @classmethod
    @contextmanager
    def loaded(
        cls, pipe: Pipeline, path: Path, placeholder: str, load_base: Callable[[], Pipeline]
    ) -> Iterator[Pipeline]:
        """A new pipeline, since the denoiser's own weights are changed."""
        tuned = load_base()
        load_custom_diffusion(tuned, path)
        yield tuned


def _unet_pipeline(family: Family) -> Pipeline:
    if isinstance(family, Diffusion) and not family.is_xl:
        return family.pipe
    raise PipelineError(
        "train(): Custom Diffusion is for Stable Diffusion 1 and 2, not for "
        f"{type(family.pipe).__name__}. Train it with DreamBoothLoRA."
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


def _save(pipe: Pipeline, placeholder: str, token: TokenRows, folder: Path) -> None:
    """The two files that diffusers reads; each is written whole."""

    def save(weights: dict[str, Any], file: str) -> None:
        plain = {k: v.detach().cpu().clone() if isinstance(v, Tensor) else v for k, v in weights.items()}
        save_torch(plain, Path(file))

    folder.mkdir(parents=True, exist_ok=True)
    pipe.unet.save_attn_procs(folder, weight_name=WEIGHTS, save_function=save, safe_serialization=False)
    embedding = LearnedEmbedding(placeholder, {"text_encoder": token.rows.detach()})
    write(folder / f"{placeholder}.bin", embedding)
