"""Peak memory of training on a model of Stable Diffusion 1.5's size, each way in a process of its own.

    python benchmarks/training_memory.py     # random weights, float32, 512 × 512, batch 1, on the CPU

Ours and the usual recipe of Textual Inversion (``textual_inversion.py``), and our DreamBooth-LoRA, two steps
each: the optimiser's state is there from the first on. The kernel's own count of the most that the process
ever held, the C library told to give freed memory back at once, and how much of that was there when the model
was loaded.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from recorder import Recorder
from textual_inversion import TOKEN, loaded, losses_of, ours, photos_of_the_miniature, usual

from uncollapse.training import DreamBoothLoRA, TextualInversion
from uncollapse.training.families import family_of
from uncollapse.training.latents import encode_pictures
from uncollapse.training.learner import Task
from uncollapse.training.photos import read_pictures

RESULTS = Path(__file__).parent / "results" / "training_memory.json"
INVERSION = TextualInversion(placeholder=TOKEN, class_word="cat", batch_size=1)
LORA = DreamBoothLoRA(placeholder="sks cat", class_word="cat", batch_size=1)


def lora(pipe: Any, pictures: torch.Tensor, settings: DreamBoothLoRA) -> Iterator[float]:
    """The losses of our DreamBooth-LoRA's steps."""
    task = Task(family_of(pipe), encode_pictures(pipe, pictures), Path(), {}, None)  # type: ignore[arg-type]
    with settings.learner(task) as learner:
        yield from losses_of(learner, settings.lr)


WAYS = {
    "Textual Inversion, ours": (ours, INVERSION),
    "Textual Inversion, the usual recipe": (usual, INVERSION),
    "DreamBooth-LoRA, ours": (lora, LORA),
}


def measured(way: str, model: str | None, steps: int) -> dict[str, float]:
    """GB: at the peak, and once the model was loaded."""
    pipe = loaded(model)
    with tempfile.TemporaryDirectory() as name:
        pictures = read_pictures(photos_of_the_miniature(Path(name)), family_of(pipe).resolution)
    before = _peak()
    steps_of, settings = WAYS[way]
    side = steps_of(pipe, pictures, settings)  # type: ignore[operator]
    for _ in range(steps):
        next(side)
    return {"peak": round(_peak(), 2), "of that the loaded model": round(before, 2)}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main(
    model: Annotated[str | None, typer.Option(help="Stable Diffusion; sd15 is made on the spot.")] = "sd15",
    steps: Annotated[int, typer.Option(help="Steps of each.")] = 2,
    output: Annotated[Path, typer.Option(help="Where the results go.")] = RESULTS,
) -> None:
    """Measure and write the numbers."""
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"  # glibc would keep what is freed, up to some 0.5 GB
    recorder = Recorder("training_memory", output, model=model, steps=steps, batch_size=1)
    for way in WAYS:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            gigabytes = alone.submit(measured, way, model, steps).result()
        recorder.add({"way": way, "GB": gigabytes})
        typer.echo(f"{way:40} {gigabytes}")
    recorder.save()


if __name__ == "__main__":
    typer.run(main)
