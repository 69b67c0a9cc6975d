"""Every pipeline class of diffusers that encodes text, built around fakes.

``classes()`` finds them. ``make(cls)`` runs the class's own constructor on small real tokenizers, fake text
encoders and, for everything else, nothing or a stand-in that agrees with whatever it is asked. ``encode(pipe,
…)`` then runs its own encode method. A fake encoder returns what the real one's class returns, as a function
of the token ids in which every token hears every other.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types
from unittest import mock

import diffusers
import numpy as np
import torch
import transformers
from diffusers.pipelines.stable_audio import StableAudioProjectionModel
from PIL import Image
from torch import nn
from transformers.feature_extraction_utils import BatchFeature
from transformers.modeling_outputs import BaseModelOutputWithPooling, ModelOutput

from toys import layouts
from toys.tokenizers import make_tokenizer
from uncollapse.pipelines.encode_step import ENCODE_METHODS

WIDTH, LAYERS = 32, 50


def classes() -> list[type]:
    """Those with a method of ``ENCODE_METHODS``, by name."""
    for module in pkgutil.walk_packages(diffusers.pipelines.__path__, "diffusers.pipelines."):
        try:
            importlib.import_module(module.name)
        except (ImportError, RuntimeError):  # needs a package that is not here
            continue

    def below(cls):
        for sub in cls.__subclasses__():
            yield sub
            yield from below(sub)

    found = {cls for cls in below(diffusers.DiffusionPipeline) if cls.__module__.startswith("diffusers.")}
    return sorted(
        (c for c in found if any(hasattr(c, name) for name in ENCODE_METHODS)), key=lambda c: c.__name__
    )


class Agreeable(nn.Module):
    """A denoiser or VAE to ask for numbers."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self):
        super().__init__()
        self.config = mock.MagicMock()
        for name in ("max_position_embeddings", "patch_size", "temporal_compression_ratio"):
            setattr(self.config, name, 4)
        self.config.in_channels = self.config.latent_channels = 4
        self.config.z_dim, self.config.latents_mean, self.config.latents_std = 1, [0.0], [1.0]
        self.config.block_out_channels = [4, 4, 4, 4]
        self.config.attention_head_dim = 8
        self.prefix_inner_dim = self.config.prefix_inner_dim = WIDTH
        self.config.caption_channels = self.config.joint_attention_dim = WIDTH

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__") or name == "_hf_hook":
                raise
            return mock.MagicMock()


class FakeEncoder(nn.Module):
    """Token ids to vectors: each token's own, and a little of the row's mean."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, kind: str, tokens: int):
        super().__init__()
        self.kind = kind
        self.config = mock.MagicMock(
            hidden_size=WIDTH, projection_dim=WIDTH, max_position_embeddings=77, use_attention_mask=False,
            num_hidden_layers=LAYERS,
        )  # fmt: skip
        torch.manual_seed(len(kind))
        self.table = nn.Embedding(tokens + 300, WIDTH)
        self.text_projection = nn.Identity()
        self.text_model = types.SimpleNamespace(config=self.config)
        self.last_layer = nn.Identity()
        language_model = types.SimpleNamespace(layers=[self.last_layer])
        self.model = types.SimpleNamespace(language_model=language_model)

    def get_text_features(self, input_ids, attention_mask=None):
        """CLAP's, which does not go through ``forward``."""
        return BaseModelOutputWithPooling(
            pooler_output=FakeEncoder.forward(self, input_ids, attention_mask)[0]
        )

    def get_input_embeddings(self):
        return self.table

    def forward(self, input_ids=None, attention_mask=None, **_):
        own = self.table(input_ids)
        mask = (
            torch.ones(input_ids.shape) if attention_mask is None else attention_mask.reshape(input_ids.shape)
        )
        mean = (own * mask[..., None]).sum(1, keepdim=True) / mask.sum(1)[:, None, None].clamp(min=1)
        last = self.last_layer(own + 0.3 * mean)
        layers = tuple(last * (1 + i / 100) for i in range(LAYERS))
        pooled = last[:, -1] + mean[:, 0]
        if "ChatGLM" in self.kind:
            last, layers = last.transpose(0, 1), tuple(layer.transpose(0, 1) for layer in layers)
        states = {"last_hidden_state": last, "hidden_states": layers}
        if "Projection" in self.kind or "Clap" in self.kind:
            return Output(text_embeds=pooled, **states)
        if "Multilingual" in self.kind:
            return pooled, last
        if "Roberta" in self.kind:
            return Output(projection_state=last, **states)
        if "CLIP" in self.kind:
            return Output(last_hidden_state=last, pooler_output=pooled, hidden_states=layers)
        if "CausalLM" in self.kind or "Conditional" in self.kind:
            return Output(logits=last, **states)
        return Output(**states)


class Output(ModelOutput):
    """Whatever fields it is given, in order."""

    def __init__(self, **fields):
        for name, value in fields.items():
            self[name] = value
            object.__setattr__(self, name, value)

    def __post_init__(self):
        pass


class FakeProcessor:
    """A tokenizer that also takes pictures, or gives positions."""

    def __init__(self, tokenizer, positions=False):
        self.tokenizer, self.positions = tokenizer, positions
        self.image_processor = mock.MagicMock()
        self.image_token = "<|image_pad|>"

    def __call__(self, text=None, images=None, **settings):
        allowed = ("padding", "return_tensors", "truncation", "max_length")
        encoded = self.tokenizer(text, **{k: v for k, v in settings.items() if k in allowed})
        more = {"pixel_values": torch.zeros(1, 4), "image_grid_thw": torch.ones(1, 3, dtype=torch.long)}
        positions = {"position_ids": torch.as_tensor(encoded["input_ids"])} if self.positions else {}
        return BatchFeature({**encoded, **(more if images is not None else {}), **positions})

    def apply_chat_template(self, *args, **kwargs):
        return self.tokenizer.apply_chat_template(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


def _annotation(parameter: inspect.Parameter) -> str:
    note = parameter.annotation
    return note if isinstance(note, str) else getattr(note, "__name__", str(note))


def make_tokenizer_like(kind: str, encoder: str):
    """The small tokenizer of this kind."""
    if "ByT5" in kind:
        return transformers.ByT5Tokenizer()
    if "Qwen" in kind:
        return layouts.make_qwen_tokenizer()
    if "ChatGLM" in kind:
        return FakeProcessor(layouts.make_qwen_tokenizer(), positions=True)
    if "CLIP" in kind:
        return make_tokenizer(max_length=77)
    if "Gemma" in kind or "Gemma" in encoder:
        return layouts.make_gemma_tokenizer()
    if "T5" in kind or "T5" in encoder:
        return layouts.make_t5_tokenizer()
    if "Roberta" in kind or "Bert" in kind:
        return make_tokenizer(max_length=77)
    return layouts.make_qwen_tokenizer()


def make(cls: type, other=lambda: None):
    """The pipeline; ``other()`` for whatever is no part of encoding."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    notes = {p.name: _annotation(p) for p in parameters}
    with mock.patch.object(
        diffusers.pipelines.pipeline_utils, "_fetch_class_library_tuple", return_value=("x", "y")
    ):
        pipe = cls(**_parts(parameters, notes, other))
    pipe.__dict__.update(_guidance_scale=5.0, batch_size=1)  # which some set in their __call__
    return pipe


def working(cls: type, prompt: str):
    """The pipeline, with as few stand-ins as it needs to encode."""
    try:
        pipe = make(cls)
        encode(pipe, prompt, "a hat")
    except Exception:
        pipe = make(cls, Agreeable)
        encode(pipe, prompt, "a hat")
    return pipe


def _parts(parameters, notes, other) -> dict:
    parts = {}
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        if "tokenizer" in p.name and "audio" not in p.name and not p.name.startswith("pe_"):
            encoder = notes.get(p.name.replace("tokenizer", "text_encoder"), "")
            tokenizer = make_tokenizer_like(notes[p.name], encoder)
            parts[p.name] = FakeProcessor(tokenizer) if "Processor" in notes[p.name] else tokenizer
        elif p.name == "processor" or p.name == "text_processor":
            tokenizer = parts.get("tokenizer") or layouts.make_qwen_tokenizer()
            parts[p.name] = FakeProcessor(tokenizer)
        elif ("text_encoder" in p.name and "layers" not in p.name) or p.name == "language_model":
            parts[p.name] = FakeEncoder(notes[p.name], 1500)
        elif p.name == "safety_checker" and any("Cosmos" in note for note in notes.values()):
            parts[p.name] = Agreeable()
        elif p.name == "projection_model" and "StableAudio" in notes[p.name]:
            parts[p.name] = StableAudioProjectionModel(WIDTH, 16, 0, 32)
        elif p.name == "scheduler" and "DPMSolver" in notes[p.name]:
            parts[p.name] = diffusers.DPMSolverMultistepScheduler()
        elif p.default is p.empty:
            parts[p.name] = other()
    return parts


def picture() -> Image.Image:
    return Image.fromarray(np.zeros((64, 64, 3), dtype=np.uint8))


def encode(pipe, prompt, negative=None, images: int = 1):
    """By the pipeline's own method."""
    if type(pipe).__name__ == "VersatileDiffusionDualGuidedPipeline":  # takes a string for a list of letters
        prompt = [prompt] if isinstance(prompt, str) else prompt
    several = isinstance(prompt, list)
    count = len(prompt) if several else 1
    known = {
        "image": picture(),
        "images": [picture()],
        "condition_images": [[picture()]] * count,
        "prompt_3": None,
        "prompts": prompt if several else [prompt],
        "editing_prompt": prompt,
        "enable_edit_guidance": True,
        "layout_prompt": prompt,
        "task_prompt": prompt,
        "content_prompt": prompt,
        "query_embeds": torch.zeros(count, 2, WIDTH),
        "mode": "generate",
        "dtype": torch.float32,
        "enable_safety_guidance": True,
        "lyrics": ["a hat"] * count if several else "a hat",
        "max_sequence_length": 512,
        "max_length": 77,
        "prompt_template": {"template": "photo near {} on beach", "crop_start": 1},
        "tokenizer_max_length": 512,
        "num_waveforms_per_prompt": images,
        "num_layers": 1,
        "complex_human_instruction": None,
        "vocal_language": "en",
        "audio_duration": 5.0,
        "instruction": "a",
        "metadata": None,
        "negative_prompt_2": None,
        "negative_prompt_3": None,
    }
    return layouts.encode_any(pipe, prompt, negative, images, **known)
