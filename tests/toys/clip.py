"""A tiny CLIP with random weights, in memory or as a folder."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers

from toys.pictures import SIZE
from toys.tokenizers import make_tokenizer


def make_clip():
    """A tiny CLIPModel with random weights, and its tokenizer."""
    tokenizer = make_tokenizer()
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **shape,
    )
    vision = transformers.CLIPVisionConfig(image_size=SIZE, patch_size=8, **shape)
    torch.manual_seed(0)
    config = transformers.CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8
    )
    return transformers.CLIPModel(config).eval(), tokenizer


def save_clip(folder: Path) -> Path:
    """The tiny CLIP as a folder, with its tokenizer and preprocessing."""
    model, tokenizer = make_clip()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = {"size": SIZE, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return folder
