"""ComfyUI's own code, in this process, and clips of toy size made of it.

``UNCOLLAPSE_COMFYUI`` names a folder with ComfyUI in it (``make comfyui`` sets one up); without it whatever
needs it is skipped. Nothing of it is part of this project, and the library never imports this file.
"""

from __future__ import annotations

import os
import runpy
import sys
import types
import warnings
from pathlib import Path

import pytest
import torch
import transformers

TREE = os.environ.get("UNCOLLAPSE_COMFYUI")
needs_comfyui = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not TREE, reason="UNCOLLAPSE_COMFYUI names no ComfyUI; `make comfyui` sets one up"),
]
WIDTHS = {"clip_l": 32, "clip_g": 48, "t5xxl": 40}


def import_comfy() -> None:
    """Make ``comfy`` importable, on the CPU and in float32."""
    if "comfy" in sys.modules:
        return
    stub_torchvision()
    sys.path.append(str(Path(TREE)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from comfy.cli_args import args

        args.cpu, args.fp32_text_enc = True, True
        import comfy.sd  # noqa: F401


def serve(arguments: list[str]) -> None:
    """Start ComfyUI's server in this process."""
    stub_torchvision()
    main = str(Path(TREE) / "main.py")
    sys.path.insert(0, TREE)
    sys.argv = [main, *arguments]
    runpy.run_path(main, run_name="__main__")


def stub_torchvision() -> None:
    """What ComfyUI imports and does not use for text; not for transformers and diffusers, who ask for it."""
    import diffusers  # noqa: F401
    from transformers.utils import import_utils

    import_utils.is_torchvision_available()  # both have asked now, and remember
    for name in ("torchvision", "torchvision.transforms", "torchaudio", "torchaudio.transforms"):
        sys.modules.setdefault(name, _Stub(name))


class _Stub(types.ModuleType):
    """A module of which anything may be asked and nothing called."""

    __path__ = ()

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": _refuse})


def _refuse(*_, **__):
    raise RuntimeError("a stub of torchvision or torchaudio was called")


def tokenizer(pad: str = "<|endoftext|>"):
    """CLIP's, from ComfyUI's own files."""
    folder = Path(TREE) / "comfy" / "sd1_tokenizer"
    return transformers.CLIPTokenizer.from_pretrained(folder, pad_token=pad, model_max_length=77)


def t5_tokenizer():
    return transformers.T5TokenizerFast.from_pretrained(
        Path(TREE) / "comfy" / "text_encoders" / "t5_tokenizer"
    )


def clip_model(name: str, seed: int = 0, projected: bool = False):
    """A CLIP text model with CLIP's vocabulary, two layers deep."""
    torch.manual_seed(seed)
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    config = transformers.CLIPTextConfig(
        vocab_size=49408,
        hidden_size=WIDTHS[name],
        projection_dim=WIDTHS[name],
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        hidden_act="quick_gelu" if name == "clip_l" else "gelu",
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=1,
    )
    model = kind(config).eval().requires_grad_(False)
    model.get_input_embeddings().weight.mul_(25)
    if projected and name == "clip_l":  # as Stable Diffusion 3 has it
        model.text_projection.weight.copy_(torch.eye(WIDTHS[name]))
    return model


def t5_model(width: int = WIDTHS["t5xxl"]):
    torch.manual_seed(7)
    config = transformers.T5Config(
        vocab_size=32128,
        d_model=width,
        d_ff=64,
        d_kv=8,
        num_heads=4,
        num_layers=2,
        feed_forward_proj="gated-gelu",
        is_encoder_decoder=False,
        use_cache=False,
    )
    return transformers.T5EncoderModel(config).eval().requires_grad_(False)


def comfy_clip(family: str, models: dict[str, torch.nn.Module], embeddings: Path | None = None):
    """ComfyUI's clip of a family, ``sd1``, ``sdxl``, ``sd3`` or ``flux``, with these models' weights."""
    import_comfy()
    import comfy.sd
    from comfy import sd1_clip, sdxl_clip
    from comfy.text_encoders import flux, sd3_clip

    model, tokens = {
        "sd1": (sd1_clip.SD1ClipModel, sd1_clip.SD1Tokenizer),
        "sdxl": (sdxl_clip.SDXLClipModel, sdxl_clip.SDXLTokenizer),
        "sd3": (sd3_clip.sd3_clip(dtype_t5=torch.float32), sd3_clip.SD3Tokenizer),
        "flux": (flux.flux_clip(dtype_t5=torch.float32), flux.FluxTokenizer),
    }[family]
    target = types.SimpleNamespace(params={}, clip=model, tokenizer=tokens)
    options = {f"{name}_model_config": _config(each) for name, each in models.items()}
    clip = comfy.sd.CLIP(
        target, embedding_directory=str(embeddings) if embeddings else None, model_options=options
    )
    for name, each in models.items():
        _load(getattr(clip.cond_stage_model, name).transformer, each)
    return clip


def template_clip():
    """Z-Image's clip, a small Qwen behind a chat template, with random weights."""
    import_comfy()
    import comfy.sd
    from comfy.text_encoders import z_image

    config = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    target = types.SimpleNamespace(params={}, clip=z_image.te(), tokenizer=z_image.ZImageTokenizer)
    clip = comfy.sd.CLIP(target, model_options={"qwen3_4b_model_config": config})
    torch.manual_seed(5)
    for weights in clip.cond_stage_model.parameters():
        values = torch.ones(weights.shape) if weights.ndim < 2 else 0.3 * torch.randn(weights.shape)
        weights.requires_grad_(False).copy_(values)
    return clip


def _config(model) -> dict:
    config = model.config
    if hasattr(config, "d_model"):
        names = ("d_model", "d_ff", "d_kv", "num_heads", "num_layers")
    else:
        names = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers")
    return {name: getattr(config, name) for name in names}


def _load(into, model) -> None:
    state = model.state_dict()
    if any(key.startswith(("embeddings.", "encoder.layers.")) for key in state):  # transformers 5
        state = {
            key if key.startswith("text_projection") else f"text_model.{key}": x for key, x in state.items()
        }
    missing = {key for key in into.state_dict() if key not in state} - {"text_projection.weight"}
    assert not missing, missing
    into.load_state_dict(state, strict=False)


if __name__ == "__main__":
    serve(sys.argv[1:])
