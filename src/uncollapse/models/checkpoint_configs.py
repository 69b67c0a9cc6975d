"""The configs that go with a checkpoint in one file: sizes read off its weights, the rest from its kind.

They are written as a pipeline's folder without weights, where diffusers looks for them: so nothing is
fetched, and a model of other widths than the published ones loads as well.
"""

from __future__ import annotations

import json
import shutil
from itertools import count
from pathlib import Path
from typing import Any

from torch import Tensor

from ..vocabulary.clip import END, MERGES, START, TOKENS, clip_vocabulary
from ..weight_files import UNET
from .checkpoint_kinds import VAE, Encoder, Kind, Weights

__all__ = ["write_configs"]

HEAD = 64  # channels, of every CLIP and of the U-Nets that count no heads
LENGTH = 77  # tokens of a prompt

Config = dict[str, Any]


def write_configs(folder: Path, kind: Kind, weights: Weights, prediction: str) -> None:
    """Write what ``from_single_file`` needs beside the weights: ``model_index.json``, configs, tokenizers.

    Raises: KeyError, for weights that lack one that tells a size.
    """
    encoders = dict(zip(("text_encoder", "text_encoder_2"), kind.encoders, strict=False))
    class_name, settings = kind.scheduler
    index: Config = {
        "_class_name": kind.pipeline,
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", class_name],
    }
    configs = {
        "unet/config.json": unet_config(kind, weights, prediction),
        "vae/config.json": vae_config(kind, weights),
        "scheduler/scheduler_config.json": {
            "_class_name": class_name,
            **scheduler_config(weights, prediction),
            **settings,
        },
    }
    for name, encoder in encoders.items():
        kept = "CLIPTextModelWithProjection" if encoder.projects else "CLIPTextModel"
        tokenizer = name.replace("text_encoder", "tokenizer")
        index |= {name: ["transformers", kept], tokenizer: ["transformers", "CLIPTokenizer"]}
        configs[f"{name}/config.json"] = text_config(encoder, weights)
        _write_tokenizer(folder / tokenizer, encoder)
    if kind.pipeline == "StableDiffusionPipeline":
        index |= {"safety_checker": [None, None], "feature_extractor": [None, None]}
        index["requires_safety_checker"] = False
    configs["model_index.json"] = index
    for path, config in configs.items():
        _write(folder / path, config)


def scheduler_config(weights: Weights, prediction: str) -> Config:
    """The noise schedule of all Stable Diffusions; one that ends in pure noise where the file says so."""
    schedule: Config = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "prediction_type": prediction,
    }
    return schedule | ({"rescale_betas_zero_snr": True} if "ztsnr" in weights else {})


def text_config(encoder: Encoder, weights: Weights) -> Config:
    """Of a CLIP: its width, depth and length."""
    layers, up, positions = (
        ("transformer.resblocks.", "mlp.c_fc.weight", "positional_embedding")
        if encoder.open_clip
        else ("encoder.layers.", "mlp.fc1.weight", "embeddings.position_embedding.weight")
    )
    rows, width = weights[encoder.table].shape
    return {
        "vocab_size": rows,
        "hidden_size": width,
        "intermediate_size": weights[f"{encoder.prefix}{layers}0.{up}"].shape[0],
        "num_hidden_layers": _numbered(weights, encoder.prefix + layers) - encoder.unused,
        "num_attention_heads": max(1, width // HEAD),
        "max_position_embeddings": weights[encoder.prefix + positions].shape[0],
        "hidden_act": "gelu" if encoder.open_clip else "quick_gelu",
        "bos_token_id": TOKENS - 2,
        "eos_token_id": TOKENS - 1,
        "pad_token_id": 0 if encoder.open_clip else TOKENS - 1,
        "projection_dim": _pooled(weights, encoder) if encoder.projects else width,
    }


def _write_tokenizer(folder: Path, encoder: Encoder) -> None:
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": LENGTH,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": "!" if encoder.open_clip else END,
    }
    _write(folder / "tokenizer_config.json", settings)
    _write(folder / "vocab.json", clip_vocabulary()[0])
    shutil.copyfile(MERGES, folder / "merges.txt")


def unet_config(kind: Kind, weights: Weights, prediction: str) -> Config:
    """Of the U-Net: the channels, layers and transformers of each level, and what it is conditioned on."""
    levels, level = [], list[tuple[int, int]]()
    for i in range(1, _numbered(weights, f"{UNET}input_blocks.")):
        if f"{UNET}input_blocks.{i}.0.op.weight" in weights:
            levels.append(level)
            level = []
        else:
            channels = weights[f"{UNET}input_blocks.{i}.0.out_layers.3.weight"].shape[0]
            level.append((channels, _numbered(weights, f"{UNET}input_blocks.{i}.1.transformer_blocks.")))
    levels.append(level)
    if not all(levels):
        raise KeyError(f"{UNET}input_blocks")
    widths = [level[0][0] for level in levels]
    depths = [level[0][1] for level in levels]
    config: Config = {
        "sample_size": 96 if kind.prediction is None and prediction != "epsilon" else kind.latents,
        "in_channels": weights[f"{UNET}input_blocks.0.0.weight"].shape[1],
        "out_channels": weights[f"{UNET}out.2.weight"].shape[0],
        "block_out_channels": widths,
        "layers_per_block": len(levels[0]),
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "up_block_types": ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)],
        "transformer_layers_per_block": [depth or 1 for depth in depths],
        "attention_head_dim": kind.heads or [max(1, width // HEAD) for width in widths],
        "cross_attention_dim": _ending(weights, "attn2.to_k.weight").shape[1],
        "use_linear_projection": _ending(weights, "1.proj_in.weight").ndim == 2,
        "upcast_attention": kind.upcast,
    }
    for encoder in kind.encoders:
        if encoder.projects:  # beside the text, the denoiser is told its pooled vector and six sizes
            told = weights[f"{UNET}label_emb.0.0.weight"].shape[1]
            config |= {
                "addition_embed_type": "text_time",
                "addition_time_embed_dim": (told - _pooled(weights, encoder)) // 6,
                "projection_class_embeddings_input_dim": told,
            }
    return config


def _ending(weights: Weights, end: str) -> Tensor:
    for key, value in weights.items():
        if key.startswith(UNET) and key.endswith(end):
            return value
    raise KeyError(f"{UNET}….{end}")


def _pooled(weights: Weights, encoder: Encoder) -> int:
    return weights[f"{encoder.prefix}text_projection"].shape[1]


def vae_config(kind: Kind, weights: Weights) -> Config:
    """Of the VAE: the channels of each level, how many layers one has, and those of its latents."""
    levels = range(_numbered(weights, f"{VAE}encoder.down."))
    widths = [weights[f"{VAE}encoder.down.{i}.block.0.conv1.weight"].shape[0] for i in levels]
    return {
        "sample_size": kind.latents * 2 ** (len(widths) - 1),
        "in_channels": weights[f"{VAE}encoder.conv_in.weight"].shape[1],
        "out_channels": weights[f"{VAE}decoder.conv_out.weight"].shape[0],
        "latent_channels": weights[f"{VAE}decoder.conv_in.weight"].shape[1],
        "block_out_channels": widths,
        "layers_per_block": _numbered(weights, f"{VAE}encoder.down.0.block."),
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "scaling_factor": kind.latent_scale,
    }


def _numbered(weights: Weights, prefix: str) -> int:
    """How many consecutive numbers from 0 on there are after a prefix."""
    there = {key.removeprefix(prefix).partition(".")[0] for key in weights if key.startswith(prefix)}
    return next(i for i in count() if str(i) not in there)


def _write(path: Path, config: Config) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config), encoding="utf-8")
