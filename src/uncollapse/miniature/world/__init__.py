"""A small world of pictures and captions, drawn from nothing and deterministic by seed.

A `Scene` says what is in a picture; `render` draws it; `captions` tells it in English.
"""

from .captions import describe
from .render import foreground, render
from .scene import Scene, is_held_out, sample_scene
from .vocabulary import ACCESSORIES, COLOURS, PATTERNS, PLACES, STYLES, SUBJECTS

__all__ = [
    "ACCESSORIES",
    "COLOURS",
    "PATTERNS",
    "PLACES",
    "STYLES",
    "SUBJECTS",
    "Scene",
    "describe",
    "foreground",
    "is_held_out",
    "render",
    "sample_scene",
]
