"""The prompts that photos are paired with.

Textual Inversion sees one concept in many phrasings, so that the learned rows carry what the photos share
and not one sentence (the idea of arXiv 2208.01618; the phrasings are our own). DreamBooth and Custom
Diffusion keep to one.
"""

from __future__ import annotations

__all__ = ["DESCRIPTIONS", "PHOTO"]

PHOTO = "a photo of {}"

DESCRIPTIONS = (
    PHOTO,
    "a picture of {}",
    "a photograph of {}",
    "{}",
    "a close photo of {}",
    "a clear picture of {}",
    "a photo of one {}",
    "a picture that shows {}",
    "this is {}",
    "a snapshot of {}",
    "a simple photo of {}",
    "a colour photo of {}",
    "a good photo of {}",
    "{} in a photo",
)
