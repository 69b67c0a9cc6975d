"""TEA beside what people would do instead, by five kinds of training: every picture's scores.

    python benchmarks/rivals.py                               # all of it: many hours; a stopped run goes on
    python benchmarks/rivals.py --seeds 1 --recipe dreambooth --concept cat
    python benchmarks/rivals_table.py                         # what it comes to

Six concepts are taught by each recipe, from two training seeds, by `uncollapse.training.train`. Each is asked
for eight prompts that neither training nor tuning uses: the placeholder first, in the middle or last, beside
an accessory, a style, a second subject. A picture's noise depends on concept, prompt and seed alone, so that
all ways and both trainings draw from the same. The judge says whether context and likeness are kept, the
miniature's CLIP gives its scores. Of each training a few ways come first, then the others that tuning tries
(``tuning.family``), then what else one might do; and the first seed of everything before any second one.

What must change nothing is tried first on every recipe: neutral settings draw the personalised model's
pictures to the last bit. A unit of work is one training, one seed and one set of ways. Its records lie in
``--work`` until ``rivals_table.py`` takes them into ``results/rivals.jsonl``.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from recorder import Recorder
from training_curves import MINIATURE, trained
from training_curves import WORK as TRAININGS

from uncollapse import Concept
from uncollapse.adjustment import Adjustment
from uncollapse.comparison import BASE, PERSONALISED, Arm, Measure, clip_measure, judge_measure, parse_arm
from uncollapse.comparison.ways import way
from uncollapse.components import adapters_in, modules, text_encoders
from uncollapse.miniature.judge import Reading
from uncollapse.miniature.prompts import WorldPrompt
from uncollapse.miniature.world import ACCESSORIES, PLACES, STYLES
from uncollapse.models.generation import GenerationSettings, generate
from uncollapse.pipelines import level_of
from uncollapse.training import method_of
from uncollapse.tuning import family

WORK = Path("outputs/rivals")
DRAWING = GenerationSettings(num_inference_steps=20, guidance_scale=4.0, batch_size=8)
KINDS = (
    "dreambooth",
    "dreambooth, all text",
    "dreambooth, denoiser alone",
    "textual inversion",
    "custom diffusion",
)
ITEM = ("recipe", "concept", "training", "seed", "ways")  # the fields that name a unit
TRAINING_SEEDS = (1, 0)
SETS = ("leading", "tried", "beside")  # the most telling; the rest of what tuning tries; what it does not
LEADING = {
    "token": ["tea:alpha=0.1,beta=1", "tea:alpha=0.2,beta=1", "tea:alpha=0.4,beta=1"],
    "prompt": ["tea:alpha=0.6,beta=1", "tea:alpha=0/1/1,beta=1", "lora:text=0.25", "lora:denoiser=0.6"],
}
NEUTRAL = {
    "token": ["tea:alpha=0,beta=none", "lerp:alpha=0"],
    "prompt": ["tea:alpha=0/0/0", "lerp:alpha=0", "weight:times=1", "switch:until=0"],
}
BESIDE = {
    "token": ["tea", "lerp:alpha=0.2", "lerp:alpha=0.4", "noun", "noun:alpha=0.2"],
    "prompt": ["tea", "lerp:alpha=0.6", "switch:until=0.3", "switch:until=0.2", "tea:alpha=1,beta=1"],
}
WHOLE_LORA = [f"lora:text={scale},denoiser={scale}" for scale in (0.7, 0.5)]
OWN_WEIGHTS = [f"weights:times={times}" for times in (0.7, 0.4)]


@dataclass(frozen=True)
class FreshPrompt(WorldPrompt):
    """A prompt that may ask for a style or for a second subject too."""

    style: str = "photo"
    second: str | None = None

    def kept(self, reading: Reading) -> bool:
        return super().kept(reading) and reading.style == self.style and self.second in (None, reading.second)


def fresh_prompts(name: str) -> list[FreshPrompt]:
    """Eight of a concept; each asks for another place, which differs from concept to concept."""
    names = list(MINIATURE.concepts)
    places = [place for place in PLACES if place != MINIATURE.concepts[name].place]
    start = names.index(name)
    a, b, c, d, e, f, g, h, *_ = places[start:] + places[:start]
    plain, other = ({place: ways[i] for place, ways in PLACES.items()} for i in (0, 1))
    photo, painting = STYLES["photo"][0], STYLES["watercolor"][0]
    crown, umbrella = ACCESSORIES["crown"][1], ACCESSORIES["umbrella"][0]
    return [
        FreshPrompt(f"{{}} {other[a]}", a),
        FreshPrompt(f"{photo} {{}} {crown} {other[b]}", b, "crown"),
        FreshPrompt(f"{other[c]}, {photo} {{}}", c),
        FreshPrompt(f"{painting} {{}} {plain[d]}", d, style="watercolor"),
        FreshPrompt(f"{photo} {{}} and a rabbit {plain[e]}", e, second="rabbit"),
        FreshPrompt(f"{{}} {umbrella} {plain[f]}", f, "umbrella"),
        FreshPrompt(f"{plain[g]}, {painting} {{}}", g, style="watercolor"),
        FreshPrompt(f"{photo} {{}} {other[h]}", h),
    ]


class WithNoun(Arm):
    """The class word after the learned token: "<my-cat> cat"."""

    def asked(self, concept: Concept, template: str) -> str:
        return template.replace("{}", f"{concept.placeholder} {concept.anchor}")


@way("noun")
def noun(alpha: float = 0.0) -> Arm:
    """The learned token with its class word, as it is or adjusted."""
    adjuster = Adjustment(alpha, beta=1.0) if alpha else None
    return WithNoun("V* and its noun" + (f", {adjuster.label}" if adjuster else ""), adjuster)


@dataclass(frozen=True)
class OwnWeights(Arm):
    """Custom Diffusion's keys and values part of the way back to the base model's."""

    times: float = 1.0

    @contextmanager
    def drawing(self, pipe: Any, concept: Concept, base: Any = None) -> Iterator[Any]:
        pairs = [
            (own.weight, getattr(attention, name).weight)
            for attention in pipe.unet.modules()
            for name in ("to_k", "to_v")
            if (own := getattr(getattr(attention, "processor", None), f"{name}_custom_diffusion", None))
        ]
        kept = [own.detach().clone() for own, _ in pairs]
        with torch.no_grad():
            for own, before in pairs:
                own.copy_(before.lerp(own, self.times))
            try:
                yield pipe
            finally:
                for (own, _), whole in zip(pairs, kept, strict=True):
                    own.copy_(whole)


@way("weights")
def weights(times: float = 0.7) -> Arm:
    """Custom Diffusion's weights at a share of what was learned."""
    return OwnWeights(f"weights × {times:g}", times=times)


def ways_of(pipe: Any, concept: Concept, which: str) -> list[str]:
    """How a training is drawn: a set of the ways that make sense for it."""
    level, encoders = level_of(pipe, concept), text_encoders(pipe)
    others = [part for name, part in modules(pipe).items() if name not in encoders]
    tried = family(pipe, concept)
    if which == "leading":
        return [PERSONALISED.name, *(way for way in tried if way in LEADING[level])]
    if which == "tried":
        return [way for way in tried if way not in LEADING[level]]
    more = []
    if adapters_in(encoders.values()) and adapters_in(others):
        more = WHOLE_LORA
    elif level == "prompt" and not adapters_in(others):
        more = OWN_WEIGHTS
    return BESIDE[level] + more


def arm_of(typed: str) -> Arm:
    """The arm of a way, or of one of the two that need none."""
    plain = {arm.name: arm for arm in (BASE, PERSONALISED)}
    return plain[typed] if typed in plain else parse_arm(typed)


class Drawn:
    """One concept in a pipeline, with its prompts, its noise and those who look at the pictures."""

    def __init__(self, name: str, pipe: Any, placeholder: str, seed: int) -> None:
        self.personal = MINIATURE.concepts[name]
        self.pipe, self.base = pipe, MINIATURE.pipeline()
        for each in (self.pipe, self.base):
            each.unet.to(memory_format=torch.channels_last)  # a tenth faster
        self.concept = Concept(placeholder, self.personal.anchor)
        self.prompts = fresh_prompts(name)
        first = len(self.prompts) * (seed * len(MINIATURE.concepts) + list(MINIATURE.concepts).index(name))
        self.noise = range(first, first + len(self.prompts))

    def pictures(self, arm: Arm, count: int | None = None) -> list[Any]:
        base = self.base if level_of(self.pipe, self.concept) == "prompt" else None
        asked = [arm.asked(self.concept, prompt.template) for prompt in self.prompts[:count]]
        with arm.drawing(self.pipe, self.concept, base) as drawer:
            return generate(drawer, asked, self.noise[:count], DRAWING, call=arm.call)

    def measures(self) -> list[Measure]:
        photos = self.personal.reference_images()
        return [
            judge_measure(MINIATURE.judge().read, self.personal.matches),
            clip_measure(MINIATURE.scorer(), self.personal.anchor, photos),
        ]

    def check_neutral(self) -> None:
        """Fail unless arms that ask for nothing change nothing."""
        plain = self.pictures(PERSONALISED, 2)
        for arm in map(parse_arm, NEUTRAL[level_of(self.pipe, self.concept)]):
            if not all(map(np.array_equal, self.pictures(arm, 2), plain)):
                raise SystemExit(f"'{arm.name}' changed the pictures. Nothing was measured.")

    def records(self, ways: Sequence[str]) -> Iterator[dict[str, Any]]:
        """A record a way: each score's values, a prompt each."""
        measures = self.measures()
        for typed in ways:
            images = self.pictures(arm_of(typed))
            scores: dict[str, list[float]] = {}
            for measure in measures:
                for row in measure(images, self.prompts):
                    for name, value in row.items():
                        scores.setdefault(name, []).append(round(float(value), 3))
            yield {"way": typed, **scores}


@contextmanager
def taught(trainings: Path, recipe: str, name: str, training: int) -> Iterator[tuple[Any, str]]:
    """The pipeline at the end of a training, and what prompts call the concept."""
    if recipe == BASE.name:
        yield MINIATURE.pipeline(), MINIATURE.concepts[name].placeholder
        return
    run = trained(trainings, recipe, name, training)
    last = run.path(run.checkpoints[-1])
    with method_of(run).loaded(MINIATURE.pipeline(), last, run.placeholder, MINIATURE.pipeline) as pipe:
        yield pipe, run.placeholder


def measured(trainings: Path, work: Path, *unit: Any) -> str:
    """Draw and measure one unit, unless its file is there; returns what to print."""
    torch.set_num_threads(1)
    recipe, name, training, seed, which = unit
    file = work / "-".join(map(str, unit)).replace(", ", "-").replace(" ", "-")
    file = file.with_name(file.name + ".json")
    if file.exists():
        return "there"
    prompts = [prompt.template for prompt in fresh_prompts(name)]
    recorder = Recorder("rivals", file, drawing=DRAWING.given(), prompts=prompts)
    with taught(trainings, recipe, name, training) as (pipe, placeholder):
        drawn = Drawn(name, pipe, placeholder, seed)
        if recipe == BASE.name:
            ways = [BASE.name]
        else:
            ways = ways_of(pipe, drawn.concept, which)
            if (which, seed, name) == (SETS[0], 0, next(iter(MINIATURE.concepts))):
                drawn.check_neutral()
        for record in drawn.records(ways):
            recorder.add(dict(zip(ITEM, unit, strict=True)) | record)
    saved = recorder.save()
    shares = (
        f"{record['way']} {sum(record['context_kept']):.0f}/{sum(record['identity_kept']):.0f}"
        for record in saved["records"]
    )
    return ", ".join(shares)


def units(
    recipes: Sequence[str], names: Sequence[str], trainings: Sequence[int], seeds: int
) -> Iterator[tuple[str, str, int, int, str]]:
    """All units, in the order in which they are drawn."""
    for seed in range(seeds):
        for name in names:
            yield BASE.name, name, 0, seed, SETS[0]
        for which, training, recipe, name in product(SETS, trainings, recipes, names):
            yield recipe, name, training, seed, which


def main(
    recipe: Annotated[list[str] | None, typer.Option(help=f"Of {'; '.join(KINDS)}; all by default.")] = None,
    concept: Annotated[list[str] | None, typer.Option(help="By default all six.")] = None,
    training: Annotated[
        list[int] | None, typer.Option(help="Seeds of the trainings; 1 and 0 by default.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Pictures of each prompt.")] = 4,
    workers: Annotated[int, typer.Option(help="Units at a time, each with one thread.")] = 2,
    trainings: Annotated[Path, typer.Option(help="Where trainings are kept.")] = TRAININGS,
    work: Annotated[Path, typer.Option(help="Where each unit's records are kept.")] = WORK,
) -> None:
    """Train, draw and measure."""
    todo = list(
        units(recipe or KINDS, concept or list(MINIATURE.concepts), training or TRAINING_SEEDS, seeds)
    )
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=fresh) as pool:
        jobs = {pool.submit(measured, trainings, work, *unit): unit for unit in todo}
        for job in as_completed(jobs):
            print(time.strftime("%X"), *jobs[job], job.result(), flush=True)


if __name__ == "__main__":
    typer.run(main)
