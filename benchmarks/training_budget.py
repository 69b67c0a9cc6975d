"""What training takes on the bundled miniature, from the photos to the files.

    python benchmarks/training_budget.py

Textual Inversion of 1,000 steps at batch 4 and DreamBooth-LoRA of 300, through ``train()`` with a checkpoint
at every 100 steps, states saved as by default. The pipeline is loaded before the clock starts. By the clock,
which is what a user waits for, and of CPU, which other programs on the machine change less; beside them
the load.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from recorder import Recorder, load

from uncollapse.miniature import MINIATURES
from uncollapse.models.loading import load_pipeline
from uncollapse.training import DreamBoothLoRA, TextualInversion, train
from uncollapse.training.settings import Settings

MINIATURE = MINIATURES["unet"]
RESULTS = Path(__file__).parent / "results" / "training_budget.json"


def measured(settings: Settings, photos: Path, folder: Path) -> dict[str, object]:
    """What one training took, and how the losses went."""
    pipe = load_pipeline(MINIATURE.model, device="cpu", dtype=torch.float32)
    start, cpu = time.perf_counter(), time.process_time()
    trajectory = train(pipe, photos, folder, settings, base_model=MINIATURE.title)
    return {
        "steps": settings.steps,
        "batch size": settings.batch_size,
        "seconds": round(time.perf_counter() - start, 1),
        "CPU seconds": round(time.process_time() - cpu, 1),
        "mean losses between checkpoints": [
            round(each.loss, 4) for each in trajectory.checkpoints if each.loss
        ],
        "load": load(),
    }


def main(
    inversion_steps: Annotated[int, typer.Option(help="Of Textual Inversion.")] = 1000,
    lora_steps: Annotated[int, typer.Option(help="Of DreamBooth-LoRA.")] = 300,
    concept: Annotated[str, typer.Option(help="One of the miniature's.")] = "cat",
    output: Annotated[Path, typer.Option(help="Where the results go.")] = RESULTS,
) -> None:
    """Train, measure and write the numbers."""
    settings = dict(inversion_steps=inversion_steps, lora_steps=lora_steps, concept=concept)
    recorder = Recorder("training_budget", output, model=MINIATURE.title, **settings)
    word = MINIATURE.concepts[concept].anchor
    runs = {
        "Textual Inversion": TextualInversion(
            placeholder="<my-concept>",
            class_word=word,
            steps=inversion_steps,
            checkpoint_steps=range(0, inversion_steps, 100),
        ),
        "DreamBooth-LoRA": DreamBoothLoRA(
            placeholder=f"sks {word}",
            class_word=word,
            steps=lora_steps,
            checkpoint_steps=range(0, lora_steps, 100),
        ),
    }
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name) / "photos"
        photos.mkdir()
        for i, image in enumerate(MINIATURE.concepts[concept].reference_images()):
            image.save(photos / f"{i}.png")
        for method, training in runs.items():
            found = measured(training, photos, Path(name) / method)
            recorder.add({"training": method, **found})
            typer.echo(f"{method:20} {json.dumps(found)}")
    recorder.save()


if __name__ == "__main__":
    typer.run(main)
