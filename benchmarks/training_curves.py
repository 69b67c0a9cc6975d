"""What training does to a concept and to its context, step by step: all bundled concepts by every method.

    python benchmarks/training_curves.py                                  # all of it: over an hour
    python benchmarks/training_curves.py --recipe dreambooth --concept cat
    python benchmarks/training_curves.py --draw-only                      # curves and tables anew

Every run is `uncollapse.training.train` on the five reference images of one concept, by a recipe of
`uncollapse.miniature.recipes` and from a seed. Of every checkpoint, 32 pictures (the eight context prompts,
four seeds) and eight of the bare prompt "a photo of sks cat" are drawn; the judge says in how many of them
the asked-for context is kept, and in how many the individual is seen. Runs stay in ``--work``, where a
stopped benchmark goes on, and `diagnosis_verdict.py` takes them up; the records go to
``results/training_curves.jsonl``, the curves to ``docs/images``.
"""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from recorder import Lines, Recorder, read

from uncollapse.diagnosis.checkpoints import states
from uncollapse.miniature import MINIATURES
from uncollapse.miniature.device import has_fast_bfloat16
from uncollapse.miniature.recipes import RECIPES, save_photos
from uncollapse.models.generation import GenerationSettings, generate
from uncollapse.output import write_atomically
from uncollapse.reports import figures as plots
from uncollapse.training import train
from uncollapse.trajectory import Trajectory, read_trajectory

MINIATURE = MINIATURES["unet"]
RESULTS = Path(__file__).parent / "results" / "training_curves.jsonl"
IMAGES = Path(__file__).parent.parent / "docs" / "images"
WORK = Path("outputs/trainings")
DRAWING = GenerationSettings(num_inference_steps=12, guidance_scale=4.0, batch_size=32)
PICTURES = 4  # of each of the eight context prompts
BARE = 8
ITEM = ("recipe", "concept", "seed")  # the fields that name a run
GOAL = 90.0  # per cent of likeness
FIGURES = {  # name: what is drawn beside each other
    "training-dreambooth": ("dreambooth", "dreambooth, prior", "dreambooth, clipped"),
    "training-methods": ("textual inversion", "textual inversion, norm kept", "custom diffusion"),
}


def folder_of(work: Path, recipe: str, name: str, seed: int) -> Path:
    return work / recipe.replace(", ", "-").replace(" ", "-") / f"{name}-{seed}"


def trained(work: Path, recipe: str, name: str, seed: int) -> Trajectory:
    """One training, done unless it is there; class images are drawn once a concept."""
    concept, folder = MINIATURE.concepts[name], folder_of(work, recipe, name, seed)
    settings = RECIPES[recipe].settings(concept, seed)
    if (folder / "done").exists():
        return read_trajectory(folder)
    photos = save_photos(concept, work / "photos" / name)
    shared = work / "class_images" / name
    if shared.exists() and getattr(settings, "prior_weight", 0):
        shutil.copytree(shared, folder / "class_images", dirs_exist_ok=True)
    started = time.perf_counter()
    train(MINIATURE.pipeline(), photos, folder, settings, resume=True, base_model=MINIATURE.title)
    if not shared.exists() and (folder / "class_images").exists():
        shutil.copytree(folder / "class_images", shared, dirs_exist_ok=True)
    (folder / "state.pt").unlink(missing_ok=True)
    (folder / "done").write_text(f"{time.perf_counter() - started:.0f} seconds")
    return read_trajectory(folder)


def faster() -> Any:
    """bfloat16 where the processor has it: the judge sees no difference."""
    return torch.autocast("cpu", torch.bfloat16) if has_fast_bfloat16(torch.device("cpu")) else nullcontext()


def pictures_say(pipe: Any, personal: Any, placeholder: str) -> dict[str, float]:
    """Per cent of the contexts kept, of the likeness in context, and of the likeness without any."""
    judge = MINIATURE.judge()
    asked = [(prompt, seed) for prompt in MINIATURE.context_prompts(personal) for seed in range(PICTURES)]
    texts = [prompt.template.replace("{}", placeholder) for prompt, _ in asked]
    with faster():
        images = generate(pipe, texts, [seed for _, seed in asked], DRAWING)
        bare = generate(pipe, [f"a photo of {placeholder}"] * BARE, range(BARE), DRAWING)
    readings, alone = judge.read(images), judge.read(bare)
    return {
        "kept": _percent(p.kept(r) for (p, _), r in zip(asked, readings, strict=True)),
        "like": _percent(map(personal.matches, readings)),
        "like, bare": _percent(map(personal.matches, alone)),
    }


def _percent(votes: Any) -> float:
    votes = list(votes)
    return 100 * sum(votes) / len(votes)


def measured(work: Path, recipe: str, name: str, seed: int) -> dict[str, Any]:
    """What one run came to, measured unless its file is there."""
    torch.set_num_threads(1)
    file = folder_of(work, recipe, name, seed) / "pictures.json"
    if file.exists():
        return read(file)
    recorder = Recorder("training_curves", file, pictures=PICTURES, bare=BARE, drawing=DRAWING.given())
    trajectory, personal = trained(work, recipe, name, seed), MINIATURE.concepts[name]
    for c, pipe in states(trajectory, MINIATURE.pipeline(), MINIATURE.pipeline):
        figures = {key: value for key, value in vars(c).items() if key not in ("step", "file")}
        recorder.add(
            {"recipe": recipe, "concept": name, "seed": seed, "step": c.step}
            | {key: value and round(value, 4) for key, value in figures.items()}
            | pictures_say(pipe, personal, trajectory.placeholder)
        )
    return recorder.save()


def runs(recipes: list[str], names: list[str], seeds: int) -> Iterator[tuple[str, str, int]]:
    """(recipe, concept, seed), the first seeds of all recipes before any second one."""
    for seed, recipe, name in product(range(seeds), recipes, names):
        if seed < RECIPES[recipe].seeds:
            yield recipe, name, seed


def mean_and_band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over runs, ``[runs, steps]``, with the 95 % bootstrap interval over runs."""
    draws = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.percentile(values[draws].mean(1), [2.5, 97.5], axis=0)
    return values.mean(0), low, high


def table_of(runs_: list[list[dict]], key: str) -> np.ndarray:
    """``[runs, steps]``."""
    return np.array([[record[key] for record in run] for run in runs_])


def draw(known: dict[tuple, list[dict]], folder: Path) -> None:
    """The curves: context and likeness over the steps, means over runs with their bands."""
    for name, recipes in FIGURES.items():
        figure, panels = plots.new(3.7 * len(recipes), 3.4, columns=len(recipes))
        for axes, recipe in zip(panels, recipes, strict=True):
            records = [run for key, run in known.items() if key[0] == recipe]
            steps = [record["step"] for record in records[0]]
            for key, label, colour, line in (
                ("kept", "context kept", plots.BLUE, "-"),
                ("like", "likeness kept", plots.ORANGE, "--"),
            ):
                mean, low, high = mean_and_band(table_of(records, key))
                axes.plot(steps, mean, line, color=colour, marker="o", ms=3, label=label)
                axes.fill_between(steps, low, high, color=colour, alpha=0.2, lw=0)
            axes.set_title(f"{recipe} ({len(records)} runs)", fontsize=10)
            axes.set_xlabel("step")
            axes.set_ylim(-3, 103)
        figure.axes[0].set_ylabel("% of pictures")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=9)
        picture = plots.as_png(figure)
        write_atomically(folder / f"{name}.png", partial(Path.write_bytes, data=picture))


def report(known: dict[tuple, list[dict]]) -> None:
    """Two tables in Markdown: at the last step, and how far each concept's likeness came at its best one."""
    print("\n| recipe | runs | context kept, last step | likeness | likeness, bare prompt | norm | cosine |")
    print("|---|---|---|---|---|---|---|")
    for recipe in RECIPES:
        records = [run for key, run in known.items() if key[0] == recipe]
        if not records:
            continue
        cells = []
        for key in ("kept", "like", "like, bare"):
            mean, low, high = (each[-1] for each in mean_and_band(table_of(records, key)))
            cells.append(f"{mean:.0f}% [{low:.0f}–{high:.0f}]")
        for key in ("norm", "cosine"):
            values = [run[-1][key] for run in records]
            cells.append("–" if values[0] is None else f"{np.mean(values):.2f}")
        print(f"| {recipe} | {len(records)} | {' | '.join(cells)} |")
    names = list(MINIATURE.concepts)
    print(
        f"\n| most likeness at any step | {' | '.join(names)} | runs at {GOAL:.0f}% or more | bare prompt |"
    )
    print("|---" * (len(names) + 3) + "|")
    for recipe in RECIPES:
        best = {
            name: [max(r["like"] for r in run) for key, run in known.items() if key[:2] == (recipe, name)]
            for name in names
        }
        if not all(best.values()):
            continue
        cells = [f"{min(each):.0f}–{max(each):.0f}%" for each in best.values()]
        all_runs = [run for key, run in known.items() if key[0] == recipe]
        for key in ("like", "like, bare"):
            there = sum(max(record[key] for record in run) >= GOAL for run in all_runs)
            cells.append(f"{there} of {len(all_runs)}")
        print(f"| {recipe} | {' | '.join(cells)} |")


def main(
    recipe: Annotated[
        list[str] | None, typer.Option(help=f"Of {', '.join(RECIPES)}; all by default.")
    ] = None,
    concept: Annotated[list[str] | None, typer.Option(help="By default all six.")] = None,
    seeds: Annotated[int, typer.Option(help="At most so many runs of a recipe and concept.")] = 3,
    workers: Annotated[int, typer.Option(help="Runs at a time, each with one thread.")] = 2,
    work: Annotated[Path, typer.Option(help="Where the runs are kept.")] = WORK,
    results: Annotated[Path, typer.Option(help="Where the records are kept.")] = RESULTS,
    draw_only: Annotated[bool, typer.Option("--draw-only", help="Train and measure nothing.")] = False,
) -> None:
    """Train, measure and draw."""
    chosen = list(runs(recipe or list(RECIPES), concept or list(MINIATURE.concepts), seeds))
    lines = Lines(results, *ITEM)
    if not draw_only:
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=fresh) as pool:
            jobs = {pool.submit(measured, work, *run): run for run in chosen}
            for job in as_completed(jobs):
                lines.add(found := job.result())
                told = (f"{r['kept']:.0f}/{r['like']:.0f}/{r['like, bare']:.0f}" for r in found["records"])
                print(time.strftime("%X"), *jobs[job], ", ".join(told), flush=True)
    report(lines.records)
    if not recipe and not concept:
        draw(lines.records, IMAGES)


if __name__ == "__main__":
    typer.run(main)
