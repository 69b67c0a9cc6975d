"""Trainings at toy size: photos in a folder, their prompts, and a few steps of each method."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from uncollapse.training import CustomDiffusion, DreamBoothLoRA, TextualInversion

COLOURS = ("purple", "indigo", "teal", "olive")
SETTINGS = TextualInversion(
    placeholder="<my-cat>", class_word="cat", steps=9, batch_size=2, save_every=2, checkpoint_steps=(0, 3, 6)
)
SHARED = {name: getattr(SETTINGS, name) for name in ("class_word", "steps", "save_every", "checkpoint_steps")}
ANY = {
    "TextualInversion": SETTINGS,
    "DreamBoothLoRA": DreamBoothLoRA(placeholder="sks cat", rank=2, **SHARED),
    "CustomDiffusion": CustomDiffusion(placeholder="<new1>", prior_weight=0, **SHARED),
}


def make_photos(folder: Path, count: int = 3, size: tuple[int, int] = (20, 18)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, colour in zip(range(count), COLOURS, strict=False):
        Image.new("RGB", size, colour).save(folder / f"{i}.png")
    return folder


def write_captions(folder: Path, captions: dict[str, str]) -> Path:
    """The photos' own prompts, as ReVersion wants them."""
    lines = [json.dumps({"file_name": name, "text": text}) + "\n" for name, text in captions.items()]
    path = folder / "metadata.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path
