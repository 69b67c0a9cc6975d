"""The denoiser: a small `UNet2DConditionModel`, v-prediction, conditioned on CLIP's frozen text tower."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor
from transformers import CLIPTextModel

from .autoencoder import CHANNELS
from .device import best_device
from .loop import Round, fit
from .pool import pick_captions

ROUNDS = (
    Round(steps=11400, batch=32, lr=1e-3, warmup=300, ema=0.998),
    Round(steps=2000, batch=32, lr=5e-4, warmup=100, ema=0.998),  # for flags and second subjects
    Round(steps=900, batch=32, lr=4e-4, warmup=50, ema=0.995),
    Round(steps=3600, batch=32, lr=6e-4, warmup=100, ema=0.998),
    Round(steps=1000, batch=32, lr=4e-4, warmup=50, ema=0.995),
)
UNCAPTIONED = 0.1  # share of pictures seen without a caption, for classifier-free guidance
SNR_CEILING = 5.0
EMPHASIS = 6.0  # how much more an error counts where a subject or what it wears is than where the place is


def build_denoiser(text_width: int) -> UNet2DConditionModel:
    """An untrained U-Net over 16×16 latents; it looks at the caption at 8×8 and 4×4."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(96, 128, 192),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=text_width,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise levels, with a last step of pure noise so that dark pictures can be dark."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
    )


def v_loss(
    unet: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    latents: Tensor,
    prompt_embeds: Tensor,
    generator: torch.Generator,
    emphasis: Tensor | None = None,
) -> Tensor:
    """Mean squared error of the predicted velocity at random noise levels.

    Weighted by min(SNR + 1, ceiling) / (SNR + 1): one where noise rules, less where little is left to learn
    (Min-SNR, arXiv 2303.09556, with the weight kept at one down to SNR = 0). ``emphasis`` ``[n, 1, h, w]``
    says how much more the error counts where, in proportion to how far the picture shows through the noise:
    where it does not, the model would learn to draw a thing everywhere that it might be.
    """
    n, where = len(latents), generator.device
    # One noise level from each of n equal strata: every batch covers all of them.
    strata = (torch.arange(n, device=where) + torch.rand(n, generator=generator, device=where)) / n
    t = (strata * scheduler.config.num_train_timesteps).long()
    t = t[torch.randperm(n, generator=generator, device=where)].to(latents.device)
    noise = torch.randn(latents.shape, generator=generator, device=where).to(latents)
    predicted = unet(scheduler.add_noise(latents, noise, t), t, prompt_embeds).sample
    target = scheduler.get_velocity(latents, noise, t)
    alpha = scheduler.alphas_cumprod.to(t.device)[t]
    snr = alpha / (1 - alpha)
    weight = (snr + 1).clamp(max=SNR_CEILING) / (snr + 1)
    error = (predicted - target).pow(2)
    if emphasis is not None:
        error = error * (1 + alpha.sqrt().view(-1, 1, 1, 1) * emphasis)
    mean: Tensor = (weight * error.mean((1, 2, 3))).mean()
    return mean


def train_denoiser(
    latents: Tensor,
    captions: Tensor,
    foreground: Tensor,
    chances: Tensor,
    uncaptioned: Tensor,
    text_encoder: CLIPTextModel,
    folder: Path,
    rounds: Sequence[Round] = ROUNDS,
) -> UNet2DConditionModel:
    """Train on the pool's scaled latents ``[n, 12, 16, 16]``, each with one of its captions.

    Args:
        captions: token ids ``[n, captions, length]``, padded as `StableDiffusionPipeline` pads.
        foreground: how much of each cell ``[n, 16, 16]`` counts more, from 0 to 1.
        chances: relative frequency of each picture ``[n]``.
        uncaptioned: token ids ``[length]`` of the empty caption, which some pictures get.
    """
    torch.manual_seed(0)
    unet, scheduler = build_denoiser(text_encoder.config.hidden_size), build_scheduler()
    # Plain matrix products: on a CPU the fused attention's backward takes a third of a step at this size.
    unet.set_attn_processor(AttnProcessor())
    device = best_device()
    latents, captions, uncaptioned = latents.to(device), captions.to(device), uncaptioned.to(device)
    emphasis, chances = (EMPHASIS * foreground[:, None]).to(device), chances.to(device)
    text_encoder.to(device)

    def loss(generator: torch.Generator, batch: int) -> Tensor:
        chosen = torch.multinomial(chances, batch, replacement=True, generator=generator)
        without = torch.rand(batch, 1, generator=generator, device=device) < UNCAPTIONED
        ids = torch.where(without, uncaptioned, pick_captions(captions, chosen, generator))
        with torch.no_grad():
            prompt_embeds = text_encoder(ids).last_hidden_state
        return v_loss(
            unet, scheduler, latents[chosen].float(), prompt_embeds, generator, emphasis[chosen].float()
        )

    return fit("denoiser", unet, loss, rounds, folder)
