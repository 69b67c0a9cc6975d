"""Our Textual Inversion against the usual recipe, restated here, on one model in one run.

    python benchmarks/textual_inversion.py               # on the miniature
    python benchmarks/textual_inversion.py --model sd15 --steps 2 --rounds 3 --each 1 --batch-size 1
    python benchmarks/textual_inversion.py --model DIR   # on any Stable Diffusion

sd15 is a model of Stable Diffusion 1.5's size with random weights. The usual recipe enlarges the token table,
encodes photos and prompts in every step, takes the gradient of the whole table and puts the other rows back.
Both sides have one frozen U-Net and autoencoder and draw the same photos, prompts, noise and noise levels;
their loss curves and learned rows are checked to be equal before anything is timed. Then they take turns, so
that a busy machine slows both.
"""

from __future__ import annotations

import copy
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import sd15
import torch
import typer
from recorder import Recorder

from uncollapse.anchors import anchor_token_ids, anchor_vector
from uncollapse.miniature import MINIATURES
from uncollapse.models.loading import load_pipeline
from uncollapse.training import TextualInversion
from uncollapse.training.families import Family, family_of
from uncollapse.training.latents import encode_pictures
from uncollapse.training.learner import Learner, Task
from uncollapse.training.photos import read_pictures
from uncollapse.training.templates import DESCRIPTIONS

MINIATURE = MINIATURES["unet"]
RESULTS = Path(__file__).parent / "results"
TOKEN = "<my-concept>"


@dataclass(frozen=True)
class Step:
    """What a step came to.

    Args:
        loss: before it.
        row: the learned row after it, ``[dim]``.
    """

    loss: float
    row: torch.Tensor


def ours(pipe: Any, pictures: torch.Tensor, settings: TextualInversion) -> Iterator[Step]:
    """Our learner's steps, one after the other."""
    task = Task(family_of(pipe), encode_pictures(pipe, pictures), Path(), {}, None)  # type: ignore[arg-type]
    with settings.learner(task) as learner:
        [rows] = learner.groups[0].parameters.values()
        for loss in losses_of(learner, settings.lr):
            yield Step(loss, rows.detach()[0].clone())


def losses_of(learner: Learner, lr: float) -> Iterator[float]:
    """Its steps by a plain loop, without end: the loss of each, after it was taken."""
    optimizer = torch.optim.AdamW(learner.groups[0].parameters.values(), lr, weight_decay=0)
    for step in itertools.count():
        loss = learner.loss(torch.Generator().manual_seed(step))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield loss.item()


def usual(pipe: Any, pictures: torch.Tensor, settings: TextualInversion) -> Iterator[Step]:
    """The same steps by the recipe that encodes everything in each of them."""
    family, tokenizer, encoder = family_of(pipe), pipe.tokenizer, pipe.text_encoder
    ids = anchor_token_ids(tokenizer, settings.class_word)
    start = anchor_vector(encoder.get_input_embeddings().weight.detach(), ids)
    tokenizer.add_tokens(TOKEN)
    rows = max(len(tokenizer), len(encoder.get_input_embeddings().weight))  # sd15's tokenizer is small
    encoder.resize_token_embeddings(rows, mean_resizing=False)
    table = encoder.get_input_embeddings().weight.requires_grad_()
    row = tokenizer.convert_tokens_to_ids(TOKEN)
    table.data[row] = start
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
        yield Step(loss.item(), table.detach()[row].clone())


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


def loaded(model: str | None) -> Any:
    """A pipeline in float32 whose parts take no gradients."""
    pipe = (
        sd15.pipeline()
        if model == "sd15"
        else load_pipeline(model or MINIATURE.model, device="cpu", dtype=torch.float32)
    )
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.requires_grad_(False)
    return pipe


def twin(pipe: Any) -> Any:
    """The pipeline with a tokenizer and text encoder of its own."""
    other = copy.copy(pipe)
    other.tokenizer, other.text_encoder = copy.deepcopy((pipe.tokenizer, pipe.text_encoder))
    return other


def check(one: list[Step], other: list[Step]) -> dict[str, float]:
    """The largest relative differences of losses and rows; fails unless they are the same."""
    pairs = list(zip(one, other, strict=True))
    furthest = {
        "losses": max(abs(a.loss - b.loss) / b.loss for a, b in pairs),
        "rows": max(((a.row - b.row).norm() / b.row.norm()).item() for a, b in pairs),
    }
    if not max(furthest.values()) <= 1e-3:
        raise SystemExit(f"The two sides differ ({furthest}), so nothing was timed.")
    return furthest


def seconds_a_step(side: Iterator[Step], steps: int) -> float:
    """Of CPU, the mean of ``steps`` more steps."""
    start = time.process_time()
    for _ in range(steps):
        next(side)
    return round((time.process_time() - start) / steps, 4)


def photos_of_the_miniature(folder: Path) -> Path:
    for i, image in enumerate(MINIATURE.concepts["cat"].reference_images()):
        image.save(folder / f"{i}.png")
    return folder


def main(
    model: Annotated[
        str | None, typer.Option(help="Stable Diffusion, or sd15; by default the miniature.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder; by default a concept's of the miniature.")
    ] = None,
    class_word: Annotated[str, typer.Option(help="What the photos show.")] = "cat",
    steps: Annotated[int, typer.Option(help="Steps of the loss curves that are compared.")] = 10,
    rounds: Annotated[int, typer.Option(help="Rounds that are timed.")] = 5,
    each: Annotated[int, typer.Option(help="Steps of each side in a round.")] = 5,
    batch_size: Annotated[int, typer.Option(help="Photos a step.")] = 4,
    output: Annotated[
        Path | None, typer.Option(help="Where the results go; by default named for the model.")
    ] = None,
) -> None:
    """Check, measure and write the numbers."""
    output = output or RESULTS / f"textual_inversion_{Path(model).name if model else 'miniature'}.json"
    recorder = Recorder(
        "textual_inversion",
        output,
        model=model or MINIATURE.title,
        photos=photos or "a concept's of the miniature",
        class_word=class_word,
        steps=steps,
        rounds=rounds,
        each=each,
        batch_size=batch_size,
    )
    settings = TextualInversion(placeholder=TOKEN, class_word=class_word, batch_size=batch_size)
    pipe = loaded(model)
    with tempfile.TemporaryDirectory() as name:
        folder = photos or photos_of_the_miniature(Path(name))
        pictures = read_pictures(folder, family_of(pipe).resolution)
    sides = {"ours": ours(pipe, pictures, settings), "usual": usual(twin(pipe), pictures, settings)}
    curves = {name: [next(side) for _ in range(steps)] for name, side in sides.items()}
    furthest = check(*curves.values())
    for i in range(rounds):
        seconds = {name: seconds_a_step(side, each) for name, side in sides.items()}
        recorder.add({"round": i, "CPU seconds a step": seconds})
    times = {name: [r["CPU seconds a step"][name] for r in recorder.records] for name in sides}
    ratios = [b / a for a, b in zip(*times.values(), strict=True)]
    summary = {
        "median": {name: statistics.median(values) for name, values in times.items()},
        "usual / ours": {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)},
    }
    losses = {name: [step.loss for step in curve] for name, curve in curves.items()}
    recorder.save({"largest relative difference": furthest, "losses": losses, **summary})
    typer.echo(json.dumps(summary, indent=1))


if __name__ == "__main__":
    typer.run(main)
