"""The kinds of checkpoints in one file, told by the names of their text encoders' weights.

    Stable Diffusion 1    cond_stage_model.transformer.   CLIP ViT-L/14, named as transformers does
    Stable Diffusion 2    cond_stage_model.model.         OpenCLIP ViT-H/14, its last layer unused
    Stable Diffusion XL   conditioner.embedders.0 and .1  both kinds, ViT-L/14 and ViT-bigG/14

with the U-Net at ``model.diffusion_model.`` and the VAE at ``first_stage_model.``. Here stands what the
weights cannot say: noise schedule, heads, scales. ``checkpoint_configs`` reads their sizes off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import FileFormatError, PipelineError, UncollapseError
from ..weight_files import UNET, loaded_into_models

__all__ = ["KINDS", "VAE", "WHOLE", "Encoder", "Kind", "Weights", "kind_of", "prediction_type"]

Weights = Mapping[str, Tensor]

VAE = "first_stage_model."


@dataclass(frozen=True)
class Encoder:
    """A text encoder of a kind of checkpoint.

    Args:
        prefix: of its weights' names.
        open_clip: whether OpenCLIP's layout, activation and padding are meant, or those of OpenAI's CLIP.
        projects: whether its pooled output is used too.
        unused: how many of its last layers the kind leaves out.
    """

    prefix: str
    open_clip: bool = False
    projects: bool = False
    unused: int = 0

    @property
    def table(self) -> str:
        """The name of its token table."""
        inside = "" if self.open_clip else "embeddings."
        return f"{self.prefix}{inside}token_embedding.weight"


@dataclass(frozen=True)
class Kind:
    """A family of checkpoints.

    Args:
        title: as people call it.
        pipeline: diffusers' class for it.
        encoders: its text encoders, in the pipeline's order.
        latents: the width of the latents that it was trained on.
        latent_scale: their scale.
        scheduler: diffusers' class of the sampler that its makers published it with, and its settings.
        heads: how many in each of the U-Net's layers; None for heads of 64 channels.
        upcast: whether the U-Net's attention needs float32.
        prediction: what its U-Net predicts where the file does not say so; None where there are both.
    """

    title: str
    pipeline: str
    encoders: tuple[Encoder, ...]
    latents: int
    latent_scale: float
    scheduler: tuple[str, Mapping[str, Any]]
    heads: int | None = None
    upcast: bool = False
    prediction: str | None = "epsilon"


KINDS = (
    Kind(
        "Stable Diffusion 1",
        "StableDiffusionPipeline",
        (Encoder("cond_stage_model.transformer.text_model."),),
        latents=64,
        latent_scale=0.18215,
        scheduler=("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": False}),
        heads=8,
    ),
    Kind(
        "Stable Diffusion 2",
        "StableDiffusionPipeline",
        (Encoder("cond_stage_model.model.", open_clip=True, unused=1),),
        latents=64,
        latent_scale=0.18215,
        scheduler=("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
        upcast=True,
        prediction=None,
    ),
    Kind(
        "Stable Diffusion XL",
        "StableDiffusionXLPipeline",
        (
            Encoder("conditioner.embedders.0.transformer.text_model."),
            Encoder("conditioner.embedders.1.model.", open_clip=True, projects=True),
        ),
        latents=128,
        latent_scale=0.13025,
        scheduler=("EulerDiscreteScheduler", {}),
    ),
)


def kind_of(weights: Weights, file: Path) -> Kind:
    """The family that the weights of a file belong to.

    Raises: PipelineError, for a checkpoint of another family, or for a part of one; FileFormatError, for what
        is loaded into a model.
    """
    if not any(key.startswith(UNET) for key in weights):
        raise _no_checkpoint(file, weights)
    kinds = [kind for kind in KINDS if all(encoder.table in weights for encoder in kind.encoders)]
    if len(kinds) != 1:
        raise PipelineError(f"'{file}' {_of_others(weights)}. {READ}")
    if not any(key.startswith(VAE) for key in weights):
        raise PipelineError(f"'{file}' has no VAE ({VAE}…), so nothing can be drawn with it. {WHOLE}")
    first = weights.get(f"{UNET}input_blocks.0.0.weight")
    channels = first.shape[1] if first is not None and first.ndim == 4 else 0
    if channels != 4:
        said = CHANNELS.get(channels, f"has a U-Net of {channels} channels, not 4")
        raise PipelineError(f"'{file}' {said}. {READ}")
    if odd := next((name for name in ("edm_mean", "edm_vpred.sigma_max") if name in weights), None):
        raise PipelineError(f"'{file}' has a noise schedule of its own ('{odd}'). {READ}")
    return kinds[0]


def _no_checkpoint(file: Path, weights: Weights) -> UncollapseError:
    found = loaded_into_models(file, weights)
    if found is None:
        return PipelineError(f"'{file}' is no checkpoint: it has no U-Net ({UNET}…). {WHOLE}")
    what, setting = found
    return FileFormatError(
        f"'{file}' is {what}, and no model. Give it with ",
        setting,
        ", and as the model the one it was trained on.",
    )


READ = (
    "Single files are read of Stable Diffusion 1, 2 and XL that draw from text; of another model, give the "
    "folder that save_pretrained() wrote."
)
WHOLE = "Give the whole checkpoint, or the folder that save_pretrained() wrote."
CHANNELS = {
    7: "enlarges pictures",
    8: "edits pictures as it is told, and draws none from text",
    9: "is for inpainting, and draws no whole picture",
}
DENOISERS = {
    "double_blocks.": "is of Flux or one of its kind",
    "joint_blocks.": "is of Stable Diffusion 3",
}


def _of_others(weights: Weights) -> str:
    if "conditioner.embedders.0.model.token_embedding.weight" in weights:
        return "is a refiner of Stable Diffusion XL, which goes on with another model's picture"
    found = (said for name, said in DENOISERS.items() if any(key.startswith(UNET + name) for key in weights))
    return next(found, "has no text encoder under a name that Stable Diffusion 1, 2 or XL has for it")


PREDICTIONS = {"epsilon": "epsilon", "v": "v_prediction"}  # modelspec's words, and diffusers'
SPREAD = 0.09


def prediction_type(kind: Kind, weights: Weights, metadata: Mapping[str, str]) -> tuple[str, bool]:
    """What the U-Net predicts, as diffusers calls it, and whether that is known rather than guessed.

    The guess is ComfyUI's: a norm's biases are spread further in the model of 768 pixels, which predicts v.
    """
    stated = PREDICTIONS.get(metadata.get("modelspec.prediction_type", ""))
    stated = stated or ("v_prediction" if "v_pred" in weights else kind.prediction)
    if stated:
        return stated, True
    blocks = [key for key in weights if key.startswith(f"{UNET}output_blocks.")]
    biases = [key for key in blocks if key.endswith("norm1.bias")]
    last = max(biases, key=lambda key: [int(number) for number in re.findall(r"\d+", key)], default="")
    spread = torch.std(weights[last].float(), correction=0) if last else torch.tensor(0.0)
    return PREDICTIONS["v" if spread > SPREAD else "epsilon"], False
