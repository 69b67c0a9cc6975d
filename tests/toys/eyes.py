"""Models of vision of toy size with random weights, each as the folder that a user would give."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers

from toys.tokenizers import make_tokenizer

SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def save_eyes(folder: Path) -> dict[str, Path]:
    """A CLIP, two DINOs and a SigLIP, for pictures as large as the published ones take."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    text = {
        **SMALL,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokenizer.model_max_length,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    large = {**SMALL, "image_size": 224}
    models = {
        "clip": transformers.CLIPModel(
            transformers.CLIPConfig(
                text_config=text, vision_config={**large, "patch_size": 32}, projection_dim=8
            )
        ),
        "vit": transformers.ViTModel(transformers.ViTConfig(**large, patch_size=32)),
        "dinov2": transformers.Dinov2Model(transformers.Dinov2Config(**large, patch_size=28)),
        "siglip": transformers.SiglipModel(
            transformers.SiglipConfig(
                text_config={**text, "projection_size": 16},
                vision_config={**SMALL, "image_size": 512, "patch_size": 64},
            )
        ),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    prepared = {"size": 224, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "clip" / "preprocessor_config.json").write_text(json.dumps(prepared))
    return {name: folder / name for name in models}
