"""More toys, for the tests of everything around a pipeline: a CLIP, pictures, a miniature in miniature.

``fake_miniature(folder)`` is a module with the interface of ``uncollapse.miniature``, built from toy models:
the commands can be tested in seconds, whatever the real one knows.
"""

from __future__ import annotations

import json
import types
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from PIL import Image

from conftest import add_lora, make_pipeline, make_tokenizer
from uncollapse.metrics.clip import ClipPreprocessing

SIZE = 16


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


def picture(colour, size: int = SIZE) -> Image.Image:
    return Image.new("RGB", (size, size), colour)


def save_lora(pipe, folder: Path) -> Path:
    """Write the adapters of ``pipe`` as diffusers does; returns the file."""
    from peft.utils import get_peft_model_state_dict

    pipe.save_lora_weights(
        folder,
        unet_lora_layers=get_peft_model_state_dict(pipe.unet),
        text_encoder_lora_layers=get_peft_model_state_dict(pipe.text_encoder),
    )
    return folder / "pytorch_lora_weights.safetensors"


@dataclass(frozen=True)
class Reading:
    brightness: float


@dataclass(frozen=True)
class FakePrompt:
    template: str
    context: str

    def kept(self, reading: Reading) -> bool:
        return reading.brightness > 0.5


@dataclass(frozen=True)
class FakeConcept:
    name: str = "cat"
    placeholder: str = "sks cat"
    anchor: str = "cat"
    place: str = "beach"
    lora: Path | None = None
    embedding: Path | None = None

    def reference_images(self):
        return [picture("purple"), picture("indigo")]

    def matches(self, reading: Reading) -> bool:
        return reading.brightness > 0.4


def fake_miniature(folder: Path) -> types.ModuleType:
    """Saved under ``folder``: ``MODEL``, and one concept with a LoRA."""
    module = types.ModuleType("uncollapse.miniature")
    module.MODEL = folder / "model"
    make_pipeline().save_pretrained(module.MODEL)
    personalised = make_pipeline()
    add_lora(personalised)
    lora = save_lora(personalised, folder / "lora")

    def read(images):
        return [Reading(image.convert("L").resize((1, 1)).getpixel((0, 0)) / 255) for image in images]

    module.CONCEPTS = {"cat": FakeConcept(lora=lora), "untrained": FakeConcept("untrained", "sks hat", "hat")}
    module.load_pipeline = make_pipeline
    module.load_clip = make_clip
    module.clip_pixels = ClipPreprocessing(size=SIZE)
    module.load_judge = lambda: types.SimpleNamespace(read=read)
    module.context_prompts = lambda concept: [
        FakePrompt("a photo of {} in the snow", "in the snow"),
        FakePrompt("{} on the beach", "on the beach"),
        FakePrompt("a photo of {} wearing a red hat", "wearing a red hat"),
    ]
    return module
