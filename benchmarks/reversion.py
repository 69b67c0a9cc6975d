"""What ReVersion's steering loss does to a relation's token, on the miniature: with it and without.

    python benchmarks/reversion.py

Six exemplars of one relation, each subject in a place of its own under an umbrella, with the prompt "a photo
of a cat <R> an umbrella". The token starts as "and", which is near no preposition. For each seed both
trainings draw the same batches; only the steering loss differs. Says how near the row ends to the nearest
preposition and to the nearest other word of the exemplars (cosines), and which token is the nearest of all.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from recorder import Recorder

from uncollapse.geometry import unit
from uncollapse.learned_embeds import read
from uncollapse.miniature import MINIATURES
from uncollapse.miniature.world import Scene, render
from uncollapse.output import save_text
from uncollapse.training import Reversion, train
from uncollapse.training.captions import read_captions
from uncollapse.training.steering import basis_rows

MINIATURE = MINIATURES["unet"]
RESULTS = Path(__file__).parent / "results" / "reversion.json"
EXEMPLARS = {
    "cat": ("orange", "beach"),
    "dog": ("yellow", "city"),
    "rabbit": ("white", "snow"),
    "bear": ("pink", "kitchen"),
    "robot": ("purple", "desert"),
    "teapot": ("blue", "forest"),
}


def make_exemplars(folder: Path) -> Path:
    """The pictures and their prompts, as a user would lay them out."""
    lines = []
    for i, (subject, (colour, place)) in enumerate(EXEMPLARS.items()):
        render(Scene(subject, colour, place, accessory="umbrella", seed=i)).save(folder / f"{i}.png")
        lines.append(json.dumps({"file_name": f"{i}.png", "text": f"a photo of a {subject} <R> an umbrella"}))
    save_text("\n".join(lines), folder / "metadata.jsonl")
    return folder


def measure(pipe: Any, row: torch.Tensor, captions: list[str]) -> dict[str, Any]:
    """The row's cosines to prepositions and to the exemplars' words, and the nearest token of all."""
    [(positives, negatives)] = basis_rows(pipe, captions, "<R>").values()
    table = pipe.text_encoder.get_input_embeddings().weight.detach()
    nearest = pipe.tokenizer.convert_ids_to_tokens(int((unit(table) @ unit(row)).argmax()))
    near, far = ((unit(rows) @ unit(row)).max().item() for rows in (positives, negatives))
    return {"to prepositions": near, "to other words": far, "nearest": nearest.removesuffix("</w>")}


def main(
    steps: Annotated[int, typer.Option(help="Of each training.")] = 150,
    seeds: Annotated[int, typer.Option(help="Trainings with and without.")] = 3,
    output: Annotated[Path, typer.Option(help="Where the results go.")] = RESULTS,
) -> None:
    """Train, measure and write the numbers."""
    recorder = Recorder("reversion", output, steps=steps, seeds=seeds)
    pipe = MINIATURE.pipeline()
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name) / "photos"
        photos.mkdir()
        captions = read_captions(make_exemplars(photos), "<R>")
        for steering in (0.0, 0.01):
            for seed in range(seeds):
                out = Path(name) / f"{steering}-{seed}"
                settings = Reversion(
                    placeholder="<R>",
                    class_word="under",
                    initialiser="and",
                    steps=steps,
                    batch_size=2,
                    seed=seed,
                    steering=steering,
                )
                trajectory = train(pipe, photos, out, settings, base_model=MINIATURE.title)
                row = read(out).vectors["text_encoder"][0]
                found = {"steering": steering, "seed": seed, "loss": trajectory.checkpoints[-1].loss}
                recorder.add(found | measure(pipe, row, captions))
                print(recorder.records[-1], flush=True)
    summary = []
    for steering in (0.0, 0.01):
        for figure in ("to prepositions", "to other words"):
            values = [each[figure] for each in recorder.records if each["steering"] == steering]
            mean, least, most = statistics.mean(values), min(values), max(values)
            print(f"steering {steering:g}, cosine {figure}: {mean:.3f} [{least:.3f}, {most:.3f}]")
            found = {"mean": mean, "least": least, "most": most}
            summary.append({"steering": steering, "cosine": figure, **found})
    recorder.save({"cosines": summary})


if __name__ == "__main__":
    typer.run(main)
