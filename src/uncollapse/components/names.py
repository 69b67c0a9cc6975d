"""What files call text encoders: facts about models, with which embeddings are matched to them.

A file for a model with one text encoder does not name it; with several, each has its family's name.
"""

from __future__ import annotations

from collections.abc import Container

__all__ = ["BY_WIDTH", "ENCODERS", "FAMILIES", "ONLY", "WIDTHS", "encoder_name"]

ENCODERS = ("clip_l", "clip_g", "t5xxl")  # as files call them
ONLY = "text_encoder"  # the model's one encoder, where a file names none
FAMILIES = {  # which of them an encoder can be, by transformers' model_type
    "clip_text_model": ("clip_l", "clip_g"),
    "clip": ("clip_l", "clip_g"),
    "t5": ("t5xxl",),
}

BY_WIDTH = {768: "clip_l", 1280: "clip_g", 4096: "t5xxl"}  # of files that hold one encoder each
WIDTHS = {
    768: "Stable Diffusion 1 (CLIP ViT-L/14; also the first encoder of SDXL, SD3 and Flux)",
    1024: "Stable Diffusion 2 (OpenCLIP ViT-H/14)",
    1280: "the second encoder of SDXL and SD3 (OpenCLIP ViT-bigG/14)",
    4096: "the T5-XXL encoder of SD3 and Flux",
}


def encoder_name(model_type: str, taken: Container[str], otherwise: str) -> str:
    """What files call the next text encoder of a model with several.

    Args:
        model_type: transformers' word for what it is.
        taken: the names of the encoders before it.
        otherwise: the name of one that has none in files.

    >>> encoder_name("clip_text_model", ["clip_l"], "text_encoder_2")
    'clip_g'
    """
    return next((name for name in FAMILIES.get(model_type, ()) if name not in taken), otherwise)
