"""Pictures as the denoiser sees them, encoded once: the autoencoder is frozen, so nothing of them changes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..components import Pipeline

__all__ = ["Latents", "encode_pictures"]


@dataclass(frozen=True)
class Latents:
    """Each picture's distribution over latents, scaled as the denoiser wants them.

    Args:
        mean: ``[n, channels, height, width]``.
        std: the same shape; None for an autoencoder without a spread.
    """

    mean: Tensor
    std: Tensor | None = None

    def __len__(self) -> int:
        return len(self.mean)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents of ``count`` pictures, each picture as often as every other, give or take one.

        Returns: which pictures, ``[count]``, and their latents, ``[count, channels, height, width]``.
        """
        rounds = -(-count // len(self))
        which = torch.cat([torch.randperm(len(self), generator=generator) for _ in range(rounds)])[:count]
        latents = self.mean[which.to(self.mean.device)]
        if self.std is not None:
            noise = torch.randn(latents.shape, generator=generator)
            latents = latents + self.std[which.to(self.std.device)] * noise.to(latents)
        return which, latents


@torch.no_grad()
def encode_pictures(pipe: Pipeline, pictures: Tensor) -> Latents:
    """The latents of pictures ``[n, 3, height, width]`` in [−1, 1], on the pipeline's device, in float32."""
    vae, config = pipe.vae, pipe.vae.config
    dtype = vae.dtype
    if dtype != torch.float32:
        vae.to(torch.float32)  # half precision overflows in some, and it is done once
    encoded = [vae.encode(picture[None].to(vae.device)) for picture in pictures]
    if dtype != torch.float32:
        vae.to(dtype)
    shift = getattr(config, "shift_factor", None) or 0.0
    if hasattr(encoded[0], "latents"):  # AutoencoderTiny
        latents = torch.cat([each.latents for each in encoded])
        return Latents((latents - shift) * config.scaling_factor)
    mean = torch.cat([each.latent_dist.mean for each in encoded])
    std = torch.cat([each.latent_dist.std for each in encoded])
    return Latents((mean - shift) * config.scaling_factor, std * config.scaling_factor)
