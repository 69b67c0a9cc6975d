"""TEA beside what people would do instead, over every bundled concept: context kept, likeness kept, both.

    python benchmarks/rivals.py                      # 6 concepts × 8 prompts × 2 seeds × 25 arms
    python benchmarks/rivals.py --seeds 1 --concept cat --arm tea:alpha=0/1/1,beta=1

Every arm draws from the same noise. "Both" is the share of pictures that keep their context and the
likeness. Intervals are Student's over the concepts' means, as pictures of one concept are not independent;
differences are paired by concept, with an exact sign-flip test. The settings are a grid: which one is best is
read off these very pictures, so the best one's figure flatters it.

Checks first that what must change nothing changes nothing: the arms' neutral settings draw the personalised
model's pictures to the last bit. Records every picture's scores, and writes the table in Markdown. A run that
was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from recorder import Lines, Recorder
from rich.progress import track
from scipy.stats import permutation_test, t

from uncollapse.comparison import BASE, PERSONALISED, Arm, compare, parse_arm, told_apart
from uncollapse.models.generation import GenerationSettings
from uncollapse.output import save_text
from uncollapse.subjects import bundled, chosen_miniature

RESULTS = Path(__file__).parent / "results"
SETTINGS = GenerationSettings(num_inference_steps=20, guidance_scale=4.0, batch_size=16)
ARMS = [
    "tea",  # the paper's: α 0.2, β 1.5
    *(f"tea:alpha={alpha},beta=1" for alpha in (0.2, 0.4, 0.6, 0.8)),
    *(f"tea:alpha={alpha},beta=1" for alpha in ("0/1/1", "0/0/1", "0/1/0", "1/0/0", "0.2/1/1", "0.4/1/1")),
    "lerp:alpha=0.6",
    *(f"weight:times={times}" for times in (0.7, 0.4)),
    *(f"lora:text={scale}" for scale in (0.5, 0.25, 0)),
    *(f"lora:text={scale},denoiser={scale}" for scale in (0.7, 0.5)),
    *(f"lora:denoiser={scale}" for scale in (0.8, 0.6)),
    *(f"switch:until={share}" for share in (0.2, 0.3)),
]
NEUTRAL = ["tea:alpha=0/0/0", "lerp:alpha=0", "weight:times=1", "switch:until=0"]
OUTCOMES = ("context kept", "likeness kept", "both")
AGAINST = "TEA α 0.6"


def check_neutral(name: str) -> None:
    """Fail unless arms that ask for nothing change nothing."""
    own = bundled(name)
    arms = [PERSONALISED, *map(parse_arm, NEUTRAL)]
    few = compare(own.pipeline(), own.concept(), own.prompts()[:2], [0], arms, SETTINGS)
    plain, *others = ([np.asarray(r.image) for r in few.of(arm.name)] for arm in arms)
    for arm, images in zip(arms[1:], others, strict=True):
        if not np.array_equal(plain, images):
            raise SystemExit(f"{name}: '{arm.name}' changed the pictures. Nothing was measured.")


def measure(name: str, arms: Sequence[Arm], seeds: int) -> list[dict]:
    """A record for every picture of one concept."""
    own = bundled(name)
    concept = own.concept()
    measures = own.measures(concept.anchor)
    comparison = compare(own.pipeline(), concept, own.prompts(), range(seeds), arms, SETTINGS, measures)
    return [
        {"concept": name, "arm": r.arm, "prompt": r.prompt, "seed": r.seed, **r.scores}
        for r in comparison.records
    ]


class Shares:
    """Of each arm and concept: the share of pictures, ``[concepts]``, for each outcome."""

    def __init__(self, records: Sequence[dict]) -> None:
        self.arms = list(dict.fromkeys(r["arm"] for r in records))
        self.concepts = sorted({r["concept"] for r in records})
        self.found = {}
        for arm, outcome in product(self.arms, OUTCOMES):
            per_concept = []
            for concept in self.concepts:
                mine = [r for r in records if (r["arm"], r["concept"]) == (arm, concept)]
                per_concept.append(np.mean([_kept(r, outcome) for r in mine]))
            self.found[arm, outcome] = np.array(per_concept)

    def mean(self, arm: str, outcome: str) -> float:
        return float(self.found[arm, outcome].mean())

    def interval(self, values: np.ndarray) -> tuple[float, float]:
        """Student's 95 % interval of the mean over concepts."""
        if len(values) < 2:
            return float("nan"), float("nan")
        half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        return float(values.mean() - half), float(values.mean() + half)

    def gain(self, arm: str, outcome: str, over: str) -> tuple[float, tuple[float, float], float]:
        """Paired difference to another arm, its interval, and the exact sign-flip test's p."""
        differences = self.found[arm, outcome] - self.found[over, outcome]
        test = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
        return float(differences.mean()), self.interval(differences), float(test.pvalue)


def _kept(record: dict, outcome: str) -> bool:
    context, likeness = record["context_kept"], record["identity_kept"]
    return {"context kept": context, "likeness kept": likeness, "both": context and likeness}[outcome]


def markdown(shares: Shares) -> str:
    """The table as a page, the arms that keep both most often first."""
    lines = [
        f"| arm | {' | '.join(OUTCOMES)} | both, against {AGAINST} | p |",
        "|---" * (len(OUTCOMES) + 3) + "|",
    ]
    ranked = sorted(shares.arms, key=lambda arm: -shares.mean(arm, "both"))
    for arm in ranked:
        cells = [interval_text(shares.mean(arm, o), shares.interval(shares.found[arm, o])) for o in OUTCOMES]
        more = ["", ""]
        if AGAINST in shares.arms and arm not in (AGAINST, BASE.name):
            mean, interval, p = shares.gain(arm, "both", AGAINST)
            more = [interval_text(mean, interval, sign="+"), f"{p:.3f}"]
        lines.append(f"| {arm} | {' | '.join([*cells, *more])} |")
    return "\n".join(lines) + "\n"


def interval_text(mean: float, interval: tuple[float, float], sign: str = "") -> str:
    """In per cent."""
    low, high = (100 * x for x in interval)
    return f"{100 * mean:{sign}.0f} [{low:{sign}.0f} to {high:{sign}.0f}]"


def main(
    concept: Annotated[list[str] | None, typer.Option(help="Which concepts; all by default.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds for each of the eight prompts.")] = 2,
    arm: Annotated[
        list[str] | None, typer.Option(help="Which arms, as `uncollapse generate` takes them.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Where the results go, without ending.")] = RESULTS / "rivals",
    work: Annotated[
        Path, typer.Option(help="Keeps each concept's records, for a run that was stopped.")
    ] = Path("outputs/rivals"),
) -> None:
    """Measure and write the table."""
    arms = told_apart([BASE, PERSONALISED, *map(parse_arm, arm or ARMS)])
    names = concept or list(chosen_miniature().concepts)
    settings = dict(seeds=seeds, arms=[each.as_json() for each in arms], drawing=SETTINGS.given())
    kept = Lines(work / "concepts.jsonl", "concept")
    if names[0] not in {key[0] for key in kept.items}:
        check_neutral(names[0])
    for name in track(names, description="measuring"):
        if (name,) in kept.items and kept.items[name,].get("settings") == settings:
            continue
        recorder = Recorder("rivals", work / f"{name}.json", **settings)
        for record in measure(name, arms, seeds):
            recorder.add(record)
        kept.add(recorder.save())
    whole = Recorder("rivals", output.with_suffix(".json"), concept=names, **settings)
    for name in names:
        for record in kept.records[name,]:
            whole.add(record)
    shares = Shares(whole.records)
    whole.save({arm: {o: shares.mean(arm, o) for o in OUTCOMES} for arm in shares.arms})
    save_text(markdown(shares), output.with_suffix(".md"))
    print(markdown(shares))


if __name__ == "__main__":
    typer.run(main)
