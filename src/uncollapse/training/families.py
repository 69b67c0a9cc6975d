"""What differs between model families in training: encoding text, adding noise, the denoiser's call.

    Stable Diffusion 1, 2   U-Net; one text encoder; predicts ε, v or x₀, as its scheduler says
    Stable Diffusion XL     the same with two encoders, a pooled vector and the picture's size
    Flux                    transformer; packed latents; predicts the flow from picture to noise

Text is encoded by the pipeline's own ``encode_prompt``, so that training reads a prompt as drawing does.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..components import DENOISERS, Pipeline, denoiser
from ..errors import PipelineError, TrainingError

__all__ = ["Conditions", "Diffusion", "Family", "Flow", "family_of", "noise_levels"]

Conditions = dict[str, Tensor]  # what the denoiser is told of each picture, batch first


class Family:
    """One pipeline, as the trainers see it."""

    def __init__(self, pipe: Pipeline) -> None:
        self.pipe = pipe
        self.device = self.denoiser.device

    @property
    def denoiser(self) -> Any:
        """The U-Net or transformer."""
        return denoiser(self.pipe)

    @property
    def resolution(self) -> int:
        """Pixels of a side of the pictures that the model was made for."""
        raise NotImplementedError

    def encode(self, prompts: list[str]) -> Conditions:
        """Encode prompts, with gradients where they are on."""
        raise NotImplementedError

    def losses(
        self,
        latents: Tensor,
        conditions: Conditions,
        generator: torch.Generator,
        min_snr: float | None = None,
    ) -> Tensor:
        """How far the denoiser is off, at a random noise level each: mean squared errors, ``[n]``."""
        raise NotImplementedError


class Diffusion(Family):
    """Stable Diffusion 1 and 2, and XL."""

    def __init__(self, pipe: Pipeline) -> None:
        super().__init__(pipe)
        from diffusers import DDPMScheduler

        self.scheduler = DDPMScheduler.from_config(pipe.scheduler.config)
        self.is_xl = hasattr(pipe, "text_encoder_2")

    @property
    def resolution(self) -> int:
        return int(self.denoiser.config.sample_size * self.pipe.vae_scale_factor)

    def encode(self, prompts: list[str]) -> Conditions:
        encoded = self.pipe.encode_prompt(
            prompts, device=self.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        return {"prompt_embeds": encoded[0]} | ({"pooled": encoded[2]} if self.is_xl else {})

    def losses(
        self,
        latents: Tensor,
        conditions: Conditions,
        generator: torch.Generator,
        min_snr: float | None = None,
        focus: float = 0.0,
    ) -> Tensor:
        """As every family's.

        Args:
            focus: a of ``noise_levels``.
        """
        t = noise_levels(self.scheduler.config.num_train_timesteps, len(latents), focus, generator)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        t = t.to(latents.device)
        noisy = self.scheduler.add_noise(latents, noise, t)
        errors = _squared(self._predict(noisy, t, conditions), self._target(latents, noise, t))
        return errors if min_snr is None else errors * self._weights(t, min_snr)

    def _predict(self, noisy: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        dtype = self.denoiser.dtype
        more = {}
        if self.is_xl:
            height, width = (side * self.pipe.vae_scale_factor for side in noisy.shape[-2:])
            size = torch.tensor([[height, width, 0, 0, height, width]], dtype=dtype, device=noisy.device)
            pooled = conditions["pooled"].to(dtype)
            more["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": size.expand(len(noisy), -1)}
        sample: Tensor = self.denoiser(
            noisy.to(dtype), t, conditions["prompt_embeds"].to(dtype), **more
        ).sample
        return sample

    def _target(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        kind = self.scheduler.config.prediction_type
        if kind == "v_prediction":
            velocity: Tensor = self.scheduler.get_velocity(latents, noise, t)
            return velocity
        return {"epsilon": noise, "sample": latents}[kind]

    def _weights(self, t: Tensor, ceiling: float) -> Tensor:
        """Min-SNR-γ (arXiv 2303.09556, eq. 8): min(SNR, γ) for x₀, over SNR for ε, over SNR + 1 for v."""
        from diffusers.training_utils import compute_snr

        snr: Tensor = compute_snr(self.scheduler, t)
        kind = self.scheduler.config.prediction_type
        per = {"epsilon": snr, "v_prediction": snr + 1, "sample": torch.ones_like(snr)}[kind]
        return snr.clamp(max=ceiling) / per.clamp(min=1e-8)


def noise_levels(T: int, count: int, focus: float, generator: torch.Generator) -> Tensor:
    """Noise levels in 0 … T − 1, with the density (1 − a·cos(πt/T)) / T, which favours high ones for a > 0.

    Args:
        focus: a, 0 to 1; 0 draws all alike.

    Returns: ``[count]``, int64.
    Source: relation-focal importance sampling, arXiv 2303.13495.
    """
    if not focus:
        return torch.randint(T, (count,), generator=generator)
    t = torch.arange(T, dtype=torch.float64)
    density = 1 - focus * torch.cos(torch.pi * t / T)
    return torch.multinomial(density, count, replacement=True, generator=generator)


class Flow(Family):
    """Flux: rectified flow, the noise level drawn logit-normally (arXiv 2403.03206, section 3.1)."""

    GUIDANCE = 1.0  # told to a guidance-distilled model, so that what it learns needs no stronger

    @property
    def resolution(self) -> int:
        return int(self.pipe.default_sample_size * self.pipe.vae_scale_factor)

    def encode(self, prompts: list[str]) -> Conditions:
        longest = min(512, self.pipe.tokenizer_2.model_max_length)
        prompt_embeds, pooled, _ = self.pipe.encode_prompt(
            prompts, None, device=self.device, max_sequence_length=longest
        )
        return {"prompt_embeds": prompt_embeds, "pooled": pooled}

    def losses(
        self,
        latents: Tensor,
        conditions: Conditions,
        generator: torch.Generator,
        min_snr: float | None = None,
    ) -> Tensor:
        if min_snr is not None:
            raise TrainingError(
                f"min_snr={min_snr} weighs diffusion's noise levels; Flux is a flow. Leave it out."
            )
        sigma = torch.randn(len(latents), generator=generator).sigmoid().to(latents)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        share = sigma.view(-1, 1, 1, 1)
        flow = self._predict((1 - share) * latents + share * noise, sigma, conditions)
        return _squared(flow, self._packed(noise - latents))

    def _packed(self, latents: Tensor) -> Tensor:
        packed: Tensor = self.pipe._pack_latents(latents, *latents.shape)
        return packed

    def _predict(self, noisy: Tensor, sigma: Tensor, conditions: Conditions) -> Tensor:
        transformer, dtype = self.denoiser, self.denoiser.dtype
        n, _, height, width = noisy.shape
        where = self.pipe._prepare_latent_image_ids(n, height // 2, width // 2, noisy.device, dtype)
        prompt_embeds = conditions["prompt_embeds"].to(dtype)
        guided = transformer.config.guidance_embeds
        sample: Tensor = transformer(
            hidden_states=self._packed(noisy).to(dtype),
            timestep=sigma.to(dtype),
            guidance=torch.full((n,), self.GUIDANCE, device=noisy.device) if guided else None,
            pooled_projections=conditions["pooled"].to(dtype),
            encoder_hidden_states=prompt_embeds,
            txt_ids=torch.zeros(prompt_embeds.shape[1], 3, device=noisy.device, dtype=dtype),
            img_ids=where,
        ).sample
        return sample


def _squared(predicted: Tensor, target: Tensor) -> Tensor:
    return (predicted.float() - target.float()).pow(2).flatten(1).mean(1)


PARTS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae", *DENOISERS)
BY_CLASS: dict[str, type[Family]] = {
    "StableDiffusionPipeline": Diffusion,
    "StableDiffusionXLPipeline": Diffusion,
    "FluxPipeline": Flow,
}


def family_of(pipe: Pipeline) -> Family:
    """The family that a pipeline belongs to.

    Raises: PipelineError, for one that none of the trainers knows, or that was loaded without a part.
    """
    name = type(pipe).__name__
    if name not in BY_CLASS:
        raise PipelineError(f"train(): {name} cannot be trained here. Load one of {', '.join(BY_CLASS)}.")
    absent = [part for part in PARTS if part in pipe.components and pipe.components[part] is None]
    if absent:
        raise PipelineError(
            f"train(): this {name} was loaded without its {' and '.join(absent)}. Training needs all its "
            "parts: load it whole."
        )
    return BY_CLASS[name](pipe)
