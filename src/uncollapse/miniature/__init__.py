"""A small world, a text-to-image model of it and a judge that reads its pictures: the offline default.

`MODEL` is an ordinary `StableDiffusionPipeline` folder; everything here loads without a network. The library
never imports this package, apart from the commands that offer it as a default model.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from .concepts import CONCEPTS, DATA, ContextPrompt, PersonalConcept, context_prompts
from .judge import Judge, Reading
from .pixels import clip_pixels

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPModel, CLIPTokenizer

__all__ = [
    "CONCEPTS",
    "MODEL",
    "ContextPrompt",
    "Judge",
    "PersonalConcept",
    "Reading",
    "clip_pixels",
    "context_prompts",
    "load_clip",
    "load_judge",
    "load_pipeline",
]

MODEL: Path = DATA / "model"


def load_pipeline(folder: Path = MODEL) -> "StableDiffusionPipeline":
    """The miniature as an ordinary pipeline, float32 on the CPU, its progress bar off."""
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_clip(data: Path = DATA) -> "tuple[CLIPModel, CLIPTokenizer]":
    """The miniature's CLIP and its tokenizer; prepare pictures for it with `clip_pixels`."""
    from transformers import CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(data / "clip", local_files_only=True).eval()
    return model, CLIPTokenizer.from_pretrained(data / "model" / "tokenizer", local_files_only=True)


def load_judge(data: Path = DATA) -> Judge:
    """The judge, ready to `Judge.read` pictures."""
    from safetensors.torch import load_file

    judge = Judge()
    judge.load_state_dict({k: v.float() for k, v in load_file(data / "judge.safetensors").items()})
    return judge.eval()
