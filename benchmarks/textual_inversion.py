"""Our Textual Inversion against the usual recipe, restated here, on one model in one run.

    python benchmarks/textual_inversion.py               # on the miniature
    python benchmarks/textual_inversion.py --model DIR   # on any Stable Diffusion

The usual recipe enlarges the token table, encodes photos and prompts in every step, takes the gradient of the
whole table and puts all rows but one back. Both sides draw the same photos, prompts, noise and noise levels;
their loss curves are checked to be equal before anything is timed. Then they take turns, so that a busy
machine slows both. Writes one JSON with the environment beside the numbers.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from uncollapse import miniature
from uncollapse.loading import load_pipeline
from uncollapse.output import save_text
from uncollapse.training import TextualInversion
from uncollapse.training.families import Family, family_of
from uncollapse.training.latents import encode_pictures
from uncollapse.training.learner import Task
from uncollapse.training.photos import read_pictures
from uncollapse.training.templates import DESCRIPTIONS
from uncollapse.training.textual_inversion import textual_inversion

RESULTS = Path(__file__).parent / "results" / "textual_inversion.json"
TOKEN = "<my-concept>"


def ours(model: str | Path, pictures: torch.Tensor, settings: TextualInversion) -> Iterator[float]:
    """The losses of our learner's steps, one after the other."""
    pipe = _loaded(model)
    task = Task(family_of(pipe), encode_pictures(pipe, pictures), Path(), {}, None)  # type: ignore[arg-type]
    with textual_inversion(task, settings) as learner:
        optimizer = torch.optim.AdamW(learner.groups[0].parameters.values(), settings.lr, weight_decay=0)
        step = 0
        while True:
            loss = learner.loss(torch.Generator().manual_seed(step))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            yield loss.item()


def usual(model: str | Path, pictures: torch.Tensor, settings: TextualInversion) -> Iterator[float]:
    """The same steps by the recipe that encodes everything in each of them."""
    pipe = _loaded(model)
    family, tokenizer, encoder = family_of(pipe), pipe.tokenizer, pipe.text_encoder
    [start] = tokenizer(settings.class_word, add_special_tokens=False).input_ids
    tokenizer.add_tokens(TOKEN)
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = encoder.get_input_embeddings().weight.requires_grad_()
    row = tokenizer.convert_tokens_to_ids(TOKEN)
    table.data[row] = table.data[start]
    frozen = table.detach().clone()
    optimizer = torch.optim.AdamW([table], settings.lr, weight_decay=0)
    step = 0
    while True:
        loss = _usual_loss(pipe, family, pictures, settings, torch.Generator().manual_seed(step))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        others = torch.arange(len(table)) != row
        table.data[others] = frozen[others]
        step += 1
        yield loss.item()


def _usual_loss(
    pipe: Any, family: Family, pictures: torch.Tensor, settings: TextualInversion, generator: torch.Generator
) -> torch.Tensor:
    count = settings.batch_size
    rounds = -(-count // len(pictures))
    which = torch.cat([torch.randperm(len(pictures), generator=generator) for _ in range(rounds)])[:count]
    with torch.no_grad():
        encoded = pipe.vae.encode(pictures[which])
        if hasattr(encoded, "latents"):
            latents = encoded.latents
        else:
            spread = encoded.latent_dist
            latents = spread.mean + spread.std * torch.randn(spread.mean.shape, generator=generator)
    chosen = torch.randint(len(DESCRIPTIONS), (count,), generator=generator).tolist()
    conditions = family.encode([DESCRIPTIONS[i].format(TOKEN) for i in chosen])
    return family.losses(latents * pipe.vae.config.scaling_factor, conditions, generator).mean()


def _loaded(model: str | Path) -> Any:
    pipe = load_pipeline(model, device="cpu", dtype=torch.float32)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.requires_grad_(False)
    return pipe


def check(one: list[float], other: list[float]) -> float:
    """The largest relative difference of two loss curves; fails unless they are the same."""
    furthest = max(abs(a - b) / b for a, b in zip(one, other, strict=True))
    if furthest > 1e-3:
        raise SystemExit(f"The loss curves differ by {furthest:.2%}, so nothing was timed.")
    return furthest


def photos_of_the_miniature(folder: Path) -> Path:
    for i, image in enumerate(miniature.CONCEPTS["cat"].reference_images()):
        image.save(folder / f"{i}.png")
    return folder


def main(
    model: Annotated[str | None, typer.Option(help="Stable Diffusion; by default the miniature.")] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder; by default a concept's of the miniature.")
    ] = None,
    class_word: Annotated[str, typer.Option(help="What the photos show.")] = "cat",
    steps: Annotated[int, typer.Option(help="Steps of the loss curves that are compared.")] = 10,
    rounds: Annotated[int, typer.Option(help="Rounds that are timed.")] = 5,
    each: Annotated[int, typer.Option(help="Steps of each side in a round.")] = 5,
    output: Annotated[Path, typer.Option(help="Where the results go.")] = RESULTS,
) -> None:
    """Check, measure and write the numbers."""
    settings = TextualInversion(placeholder=TOKEN, class_word=class_word)
    source = model or miniature.MODEL
    with tempfile.TemporaryDirectory() as name:
        folder = photos or photos_of_the_miniature(Path(name))
        pictures = read_pictures(folder, family_of(load_pipeline(source, device="cpu")).resolution)
    sides = {"ours": ours(source, pictures, settings), "usual": usual(source, pictures, settings)}
    curves = {name: [next(side) for _ in range(steps)] for name, side in sides.items()}
    furthest = check(*curves.values())
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.process_time()
            for _ in range(each):
                next(side)
            seconds[name].append(round((time.process_time() - start) / each, 4))
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    data = {
        "model": str(model or "the bundled miniature"),
        "largest difference of the losses": furthest,
        "losses": curves,
        "CPU seconds a step": seconds,
        "median": {name: statistics.median(values) for name, values in seconds.items()},
        "usual / ours": {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)},
        "environment": {p: version(p) for p in ("torch", "diffusers", "transformers", "uncollapse")}
        | {"python": platform.python_version(), "machine": platform.machine()},
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg(),
    }
    save_text(json.dumps(data, indent=1), output)
    typer.echo(json.dumps({name: data[name] for name in ("median", "usual / ours")}, indent=1))


if __name__ == "__main__":
    typer.run(main)
