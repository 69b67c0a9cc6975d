"""Previews: the validation prompt, drawn by what was learned so far, and at the end all on one strip."""

from __future__ import annotations

from pathlib import Path

import torch

from ..components import Pipeline
from ..models.generation import GenerationSettings, generate
from ..output import save_png
from .settings import Settings

__all__ = ["draw_preview", "join_previews"]

FOLDER, STRIP = "previews", "previews.png"
SIDE, LABEL, COLUMNS = 160, 20, 8  # pixels of a picture and of the line above it; pictures a row


@torch.no_grad()
def draw_preview(pipe: Pipeline, settings: Settings, folder: Path, step: int) -> None:
    """One picture of the validation prompt, always from the same noise."""
    prompt, side = str(settings.validation_prompt), settings.resolution
    drawing = GenerationSettings(height=side, width=side)
    [image] = generate(pipe, [prompt], [settings.seed], drawing)
    about = {"prompt": prompt, "seed": settings.seed, "step": step}
    save_png(image, folder / FOLDER / f"step-{step:06d}.png", about)


def join_previews(settings: Settings, folder: Path) -> None:
    """All previews that the folder holds, in the order of their steps; nothing where there are none."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    paths = sorted((folder / FOLDER).glob("step-*.png"))
    if not paths:
        return
    rows = -(-len(paths) // COLUMNS)
    strip = Image.new("RGB", (SIDE * min(len(paths), COLUMNS), (SIDE + LABEL) * rows), "white")
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(14)
    for i, path in enumerate(paths):
        x, y = i % COLUMNS * SIDE, i // COLUMNS * (SIDE + LABEL)
        pen.text((x + 4, y + 1), f"step {int(path.stem.removeprefix('step-'))}", "black", font)
        with Image.open(path) as image:
            strip.paste(ImageOps.fit(image, (SIDE, SIDE)), (x, y + LABEL))
    save_png(strip, folder / STRIP, {"prompt": settings.validation_prompt, "seed": settings.seed})
