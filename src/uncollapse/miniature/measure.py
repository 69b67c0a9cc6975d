"""``python -m uncollapse.miniature.measure``: how good a miniature is, measured on what it never saw.

Nothing is built. The build ends with the same figures and writes them into the card.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from . import autoencoder, clip, judge, quality
from .concepts import DATA
from .device import best_device
from .miniature import Miniature
from .pixels import to_tensor
from .pool import held_out_scene
from .world import render

PROMPTS, RENDERS = 200, 2000
BATCH = 64  # in which CLIP is to tell a picture's caption from the others'


def measured(miniature: Miniature, prompts: int = PROMPTS, renders: int = RENDERS) -> dict[str, Any]:
    """Figures by what they are of.

    Args:
        miniature: all of it is measured but its concepts.
        prompts: how many it is asked to draw, of combinations that occur in no training scene.
        renders: how many of the world's own pictures its judge is shown; its CLIP and autoencoder no more.
    """
    model, tokenizer = miniature.clip()
    reader, pipe = miniature.judge(), miniature.pipeline()
    batches, seen = min(8, -(-renders // BATCH)), min(256, renders)
    pictures = to_tensor([render(held_out_scene(20_000 + i)) for i in range(seen)])
    return {
        f"judge accuracy on {renders:,} held-out renders": judge.accuracy(reader, renders),
        f"CLIP retrieval in batches of {BATCH} held-out pairs": {
            "complete captions": clip.retrieval(model, tokenizer, complete=True, batches=batches, size=BATCH),
            "captions as in training": clip.retrieval(
                model, tokenizer, complete=False, batches=batches, size=BATCH
            ),
        },
        f"autoencoder PSNR on {seen} held-out renders, dB": autoencoder.psnr(pipe.vae, pictures),
        f"composition on {prompts} held-out prompts": quality.composition(
            pipe.to(best_device()), reader, prompts
        ),
        "seconds for eight pictures on the CPU": quality.seconds_for_eight(pipe.to("cpu")),
        "package data, MB": sum(f.stat().st_size for f in miniature.folder.rglob("*") if f.is_file()) / 1e6,
    }


def main(
    data: Annotated[Path, typer.Option(help="A miniature, as the build leaves it.")] = DATA,
    prompts: Annotated[int, typer.Option(min=1, help="Held-out combinations to draw.")] = PROMPTS,
    renders: Annotated[int, typer.Option(min=1, help="Held-out pictures to read.")] = RENDERS,
    threads: Annotated[int | None, typer.Option(help="CPU threads; all by default.")] = None,
) -> None:
    """Measure a miniature: judge, CLIP, autoencoder, and what it composes."""
    if threads:
        torch.set_num_threads(threads)
    typer.echo(json.dumps(measured(Miniature(data), prompts, renders), indent=2))


if __name__ == "__main__":
    typer.run(main)
