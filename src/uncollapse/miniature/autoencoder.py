"""The miniature's autoencoder: a small `AutoencoderTiny` that turns 64×64 pixels into 16×16 latents.

Noise is added to the latents while it learns, so that pictures survive the small errors of a denoiser,
and a weak pull toward zero keeps the latents compact.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from torch import Tensor, nn

from .device import best_device
from .loop import Round, fit
from .pixels import normalise

CHANNELS = 12
ROUNDS = (
    Round(steps=6000, batch=8, lr=2e-3, weight_decay=0.0, ema=0.995),
    Round(steps=4500, batch=16, lr=1e-3, weight_decay=0.0, ema=0.995),  # for edges
)


def build_autoencoder() -> AutoencoderTiny:
    """An untrained autoencoder; most of its work happens below full resolution."""
    return AutoencoderTiny(
        latent_channels=CHANNELS,
        encoder_block_out_channels=(32, 32, 32),
        decoder_block_out_channels=(48, 48, 48),
        num_encoder_blocks=(0, 1, 2),
        num_decoder_blocks=(3, 2, 0),
        upsampling_scaling_factor=2,
        scaling_factor=1.0,
        shift_factor=0.0,
    )


def _initialise(model: AutoencoderTiny) -> None:
    """Keep the signal's size through the ReLUs; PyTorch's own start lets it die away, at the cost of time."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, AutoencoderTinyBlock):
            module.conv[-1].weight.data.mul_(0.3)


def _gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]


def train_autoencoder(pictures: Tensor, folder: Path, rounds: Sequence[Round] = ROUNDS) -> AutoencoderTiny:
    """Train on the pool; sets ``scaling_factor`` so that scaled latents have unit variance."""
    torch.manual_seed(0)
    model = build_autoencoder()
    _initialise(model)
    pictures = pictures.to(best_device())

    def loss(generator: torch.Generator, batch: int) -> Tensor:
        chosen = torch.randint(len(pictures), (batch,), generator=generator, device=generator.device)
        x = normalise(pictures[chosen])
        z = model.encoder(x)
        noisy = z + 0.1 * torch.randn(z.shape, generator=generator, device=z.device)
        y = model.decoder(noisy)
        edges = sum(F.l1_loss(a, b) for a, b in zip(_gradients(y), _gradients(x), strict=True))
        total: Tensor = F.l1_loss(y, x) + F.mse_loss(y, x) + 0.5 * edges + 0.002 * z.pow(2).mean()
        return total

    fit("autoencoder", model, loss, rounds, folder)
    sample = encode(model, pictures[:512].cpu())
    model.register_to_config(scaling_factor=float(1 / sample.std()))
    return model


@torch.no_grad()
def encode(model: AutoencoderTiny, pictures: Tensor, batch: int = 128) -> Tensor:
    """Unscaled latents ``[n, 12, 16, 16]`` of pictures ``[n, 64, 64, 3]`` uint8."""
    chunks = torch.split(pictures, batch)
    return torch.cat([model.encoder(normalise(chunk.to(model.device))).cpu() for chunk in chunks])


@torch.no_grad()
def psnr(model: AutoencoderTiny, pictures: Tensor) -> float:
    """Peak signal-to-noise ratio of reconstructed pictures ``[n, 3, 64, 64]`` in decibels, mean over them."""
    x = pictures.to(model.device)
    error = (model.decoder(model.encoder(x)).clamp(-1, 1) - x).pow(2).mean((1, 2, 3))
    return float((10 * torch.log10(4 / error)).mean())
