"""The bundled miniature as ComfyUI's MODEL, CLIP and VAE: the README's picture drawn by ComfyUI's sampler.

Its U-Net is diffusers' own, wrapped, and its text encoder ComfyUI's code with the miniature's weights. It is
there to try the nodes without downloading a model, and asks for diffusers when it is used and not before.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ..errors import PipelineError

__all__ = ["concept_names", "load"]

NO_CONCEPT = "none"
VOCABULARY = 49408  # rows of the token table that ComfyUI makes, whatever the tokenizer has
OF_CLIP = (
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_hidden_layers",
    "hidden_act",
    "max_position_embeddings",
    "eos_token_id",
)


def concept_names() -> list[str]:
    """The individuals that it was taught, and none of them."""
    from ..miniature import MINIATURES

    return [*MINIATURES["unet"].concepts, NO_CONCEPT]


def load(concept: str, strength_model: float, strength_clip: float) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE, with the LoRA of a concept.

    Raises: PipelineError, without diffusers.
    """
    from ..miniature import MINIATURES

    try:
        import diffusers  # noqa: F401
    except ImportError as error:
        raise PipelineError(
            'TEA Miniature: needs diffusers. Type: pip install "uncollapse[diffusers]" with the python that '
            "runs ComfyUI."
        ) from error
    miniature = MINIATURES["unet"]
    pipe = miniature.pipeline()
    model, clip = _model(pipe), _clip(pipe, str(miniature.model / "tokenizer"))
    lora = None if concept == NO_CONCEPT else miniature.concepts[concept].lora
    if lora:
        import comfy.sd
        from safetensors.torch import load_file

        weights = {_comfy_key(key): weight for key, weight in load_file(lora).items()}
        model, clip = comfy.sd.load_lora_for_models(model, clip, weights, strength_model, strength_clip)
    return model, clip, _Decoder(pipe.vae)


def _comfy_key(key: str) -> str:
    key = key.replace("unet.", "diffusion_model.", 1)
    return key.replace("text_encoder.", "text_encoders.clip_l.transformer.", 1)


def _model(pipe: Any) -> Any:
    from comfy import latent_formats, model_base, model_management, model_patcher, supported_models_base

    class Latents(latent_formats.LatentFormat):  # type: ignore[misc]
        latent_channels = pipe.unet.config.in_channels

    class Config(supported_models_base.BASE):  # type: ignore[misc]
        unet_config = {"disable_unet_model_creation": True}  # noqa: RUF012
        unet_extra_config: dict[str, Any] = {}  # noqa: RUF012
        latent_format = Latents
        sampling_settings = {  # noqa: RUF012
            "beta_schedule": "linear",  # diffusers' scaled_linear
            "linear_start": pipe.scheduler.config.beta_start,
            "linear_end": pipe.scheduler.config.beta_end,
            "zsnr": True,
        }

    model = model_base.BaseModel(Config(Config.unet_config), model_base.ModelType.V_PREDICTION)
    model.diffusion_model = _as_comfyui_calls(pipe.unet)
    return model_patcher.ModelPatcher(
        model, model_management.get_torch_device(), model_management.unet_offload_device()
    )


def _as_comfyui_calls(unet: Any) -> Any:
    """The U-Net itself, where LoRAs find its weights by diffusers' names, called as ComfyUI calls one."""
    own = type(unet)

    class Denoiser(own):  # type: ignore[misc, valid-type]
        def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, *_: Any, **__: Any) -> Any:
            return own.forward(self, x, timesteps, context, return_dict=False)[0]

    unet.__class__ = Denoiser
    return unet


class _Decoder:
    """A VAE, as far as VAE Decode asks for one."""

    def __init__(self, vae: Any) -> None:
        self.vae = vae

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures ``[batch, height, width, 3]`` from 0 to 1."""
        pixels = self.vae.decode(latents.to(self.vae.device) / self.vae.config.scaling_factor).sample
        pictures: Tensor = (pixels / 2 + 0.5).clamp(0, 1).movedim(1, -1)
        return pictures


def _clip(pipe: Any, tokenizer_folder: str) -> Any:
    import comfy.sd
    import folder_paths
    from comfy import sd1_clip

    config = pipe.text_encoder.config
    own = {name: getattr(config, name) for name in OF_CLIP}
    length = config.max_position_embeddings
    marks = {"start": config.bos_token_id, "end": config.eos_token_id, "pad": config.pad_token_id}

    class WordTokenizer(sd1_clip.SDTokenizer):  # type: ignore[misc]
        def __init__(self, **settings: Any) -> None:
            super().__init__(
                tokenizer_folder, max_length=length, embedding_size=config.hidden_size, **settings
            )

    class Tokenizer(sd1_clip.SD1Tokenizer):  # type: ignore[misc]
        def __init__(self, **settings: Any) -> None:
            super().__init__(tokenizer=WordTokenizer, **settings)

    class Encoder(sd1_clip.SDClipModel):  # type: ignore[misc]
        def __init__(self, **settings: Any) -> None:
            super().__init__(
                max_length=length,
                special_tokens=marks,
                textmodel_json_config=own,
                return_projected_pooled=False,
                **settings,
            )

    class Model(sd1_clip.SD1ClipModel):  # type: ignore[misc]
        def __init__(self, **settings: Any) -> None:
            super().__init__(clip_model=Encoder, **settings)

    target = SimpleNamespace(params={}, clip=Model, tokenizer=Tokenizer)
    clip = comfy.sd.CLIP(target, embedding_directory=folder_paths.get_folder_paths("embeddings"))
    clip.load_sd(_weights(pipe.text_encoder))
    return clip


def _weights(text_encoder: Any) -> dict[str, Tensor]:
    """By the names that ComfyUI's CLIP has, whichever transformers wrote them; the table filled up."""
    state = {
        f"text_model.{key.removeprefix('text_model.')}": x for key, x in text_encoder.state_dict().items()
    }
    key = "text_model.embeddings.token_embedding.weight"
    table = state[key]
    return state | {key: torch.cat([table, table.new_zeros(VOCABULARY - len(table), table.shape[1])])}
