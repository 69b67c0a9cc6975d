"""Stable Diffusion 1.5's parts at full size, with random weights, so that benchmarks download nothing."""

from __future__ import annotations

import diffusers
import torch
import transformers
from transformers.convert_slow_tokenizer import bytes_to_unicode

BLOCKS = (128, 256, 512, 512)  # channels of the autoencoder


def letter_tokenizer() -> transformers.CLIPTokenizer:
    """A tokenizer of single letters, padded to 77 as CLIP's."""
    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {token: i for i, token in enumerate(tokens)}
    return transformers.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def text_encoder(tokenizer: transformers.CLIPTokenizer) -> transformers.CLIPTextModel:
    """CLIP ViT-L's text encoder; the same weights every time."""
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
        projection_dim=768, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return transformers.CLIPTextModel(config).eval()


def unet() -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        cross_attention_dim=768, sample_size=64, attention_head_dim=8
    ).eval()


def vae() -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(BLOCKS),
        up_block_types=("UpDecoderBlock2D",) * len(BLOCKS),
        block_out_channels=BLOCKS,
        layers_per_block=2,
        sample_size=512,
    ).eval()


def pipeline() -> diffusers.StableDiffusionPipeline:
    """All of it, float32, on the CPU: 4.3 GB."""
    tokenizer = letter_tokenizer()
    return diffusers.StableDiffusionPipeline(
        vae=vae(),
        text_encoder=text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=unet(),
        scheduler=diffusers.DDIMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            clip_sample=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
