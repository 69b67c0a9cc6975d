"""The denoiser: a small `UNet2DConditionModel`, v-prediction, conditioned on CLIP's frozen text tower."""

import random
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from .autoencoder import CHANNELS
from .device import best_device
from .loop import Schedule, fit
from .pool import training_scene
from .world import describe

SCHEDULE = Schedule(steps=4000, batch=48, lr=1e-3, warmup=150, ema=0.998)
UNCAPTIONED = 0.1  # share of pictures seen without a caption, for classifier-free guidance
SNR_CEILING = 5.0


def build_denoiser(text_width: int) -> UNet2DConditionModel:
    """An untrained U-Net over 16×16 latents; it looks at the caption at 8×8 and 4×4."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(48, 96, 192),
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


def encode_captions(captions: list[str], tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel) -> Tensor:
    """``[n, 32, width]``, padded as `StableDiffusionPipeline` pads."""
    tokens = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
    with torch.no_grad():
        return text_encoder(tokens.input_ids.to(text_encoder.device)).last_hidden_state


def v_loss(
    unet, scheduler: DDIMScheduler, latents: Tensor, prompt_embeds: Tensor, generator: torch.Generator
) -> Tensor:
    """Mean squared error of the predicted velocity at random noise levels.

    Weighted by min(SNR + 1, ceiling) / (SNR + 1): one where noise rules, less where little is left to learn
    (Min-SNR, arXiv 2303.09556, with the weight kept at one down to SNR = 0).
    """
    n = len(latents)
    # One noise level from each of n equal strata: every batch covers all of them.
    strata = (torch.arange(n) + torch.rand(n, generator=generator)) / n
    t = (strata * scheduler.config.num_train_timesteps).long()[torch.randperm(n, generator=generator)]
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    t = t.to(latents.device)
    predicted = unet(scheduler.add_noise(latents, noise, t), t, prompt_embeds).sample
    target = scheduler.get_velocity(latents, noise, t)
    alpha = scheduler.alphas_cumprod.to(t.device)[t]
    snr = alpha / (1 - alpha)
    weight = (snr + 1).clamp(max=SNR_CEILING) / (snr + 1)
    return (weight * (predicted - target).pow(2).mean((1, 2, 3))).mean()


def train_denoiser(
    latents: Tensor,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    folder: Path,
    schedule: Schedule = SCHEDULE,
) -> UNet2DConditionModel:
    """Train on the pool's scaled latents ``[n, 12, 16, 16]``, each captioned anew whenever it is seen."""
    torch.manual_seed(0)
    unet, scheduler = build_denoiser(text_encoder.config.hidden_size), build_scheduler()
    scenes = [training_scene(i) for i in range(len(latents))]
    text_encoder.to(best_device())

    def loss(generator: torch.Generator, batch: int) -> Tensor:
        chosen = torch.randint(len(scenes), (batch,), generator=generator).tolist()
        rng = random.Random(chosen[0])
        captions = ["" if rng.random() < UNCAPTIONED else describe(scenes[i], rng) for i in chosen]
        prompt_embeds = encode_captions(captions, tokenizer, text_encoder)
        clean = latents[chosen].to(unet.device).float()
        return v_loss(unet, scheduler, clean, prompt_embeds, generator)

    return fit("denoiser", unet, loss, schedule, folder)
