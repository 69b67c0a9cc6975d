"""Does CLIP see the likeness of the subject, or of the place that its photos share?

    python benchmarks/likeness.py        # 6 concepts × 4 prompts × 8 arms, 192 pictures

The miniature's judge knows what a picture shows. Two scores are set beside it, CLIP-I of the whole picture
and of its middle:

    ranks       Spearman's correlation over a concept's arms, of the score's mean with the share of pictures
                that keep the likeness, and with the share that keep the context, which a score of likeness
                should not follow downwards
    told apart  how often, of a picture that keeps the likeness and one that lost it, the first scores higher
    share       of the pictures that keep context and likeness, between the base model's and the personalised
                model's mean: 1 is what they deserve

Means over concepts, with Student's intervals.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from recorder import Recorder
from rich.progress import track
from scipy.stats import spearmanr, t

from uncollapse.comparison import BASE, PERSONALISED, compare, middle_measure, parse_arm
from uncollapse.output import save_text
from uncollapse.subjects import bundled, chosen_miniature

RESULTS = Path(__file__).parent / "results"
WAYS = (
    *(f"tea:alpha={alpha},beta=1" for alpha in (0.4, 0.6, 0.8, "0/1/1")),
    "lora:text=0",
    "lora:denoiser=0.6",
)
SEED = 2000
SCORES = {"CLIP-I, the whole picture": "clip_i", "CLIP-I, the middle": "clip_i_middle"}


def measure(name: str) -> list[dict]:
    """A record for every picture of one concept."""
    own = bundled(name)
    concept, arms = own.concept(), [BASE, PERSONALISED, *map(parse_arm, WAYS)]
    measures = [*own.measures(concept.anchor), middle_measure(own.scorer(), own.photos())]
    drawn = compare(
        own.pipeline(), concept, own.prompts()[::2], [SEED], arms, own.miniature.drawing, measures
    )
    return [{"concept": name, "arm": r.arm, "prompt": r.prompt, **r.scores} for r in drawn.records]


def figures(records: list[dict], score: str) -> dict[str, float]:
    """Of one concept."""
    base = [r for r in records if r["arm"] == BASE.name]
    ours = [r for r in records if r["arm"] != BASE.name]
    by_arm = [[r for r in ours if r["arm"] == arm] for arm in dict.fromkeys(r["arm"] for r in ours)]
    means = [_mean(each, score) for each in by_arm]
    kept, lost = ([r[score] for r in ours if r["identity_kept"] is yes] for yes in (True, False))
    both = [r for r in ours if r["identity_kept"] and r["context_kept"]]
    none, whole = _mean(base, score), _mean(by_arm[0], score)
    return {
        "ranks the likeness": spearmanr(means, [_mean(each, "identity_kept") for each in by_arm]).statistic,
        "ranks the context": spearmanr(means, [_mean(each, "context_kept") for each in by_arm]).statistic,
        "told apart": float(np.mean([a > b for a, b in product(kept, lost)])) if lost else float("nan"),
        "share": (_mean(both, score) - none) / (whole - none),
    }


def _mean(records: list[dict], name: str) -> float:
    return float(np.mean([r[name] for r in records]))


def text(values: list[float]) -> str:
    """Mean and interval, over the concepts for which there is a figure."""
    known = np.array([value for value in values if np.isfinite(value)])
    half = t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return f"{known.mean():.2f} [{known.mean() - half:.2f} to {known.mean() + half:.2f}]"


def main(
    output: Annotated[Path, typer.Option(help="Where the results go, without ending.")] = RESULTS
    / "likeness",
) -> None:
    """Draw, measure, and write the table."""
    names = list(chosen_miniature().concepts)
    recorder = Recorder("likeness", output.with_suffix(".json"), seed=SEED, ways=WAYS)
    records = {name: measure(name) for name in track(names, description="drawing")}
    for each in records.values():
        for record in each:
            recorder.add(record)
    found = {title: [figures(each, score) for each in records.values()] for title, score in SCORES.items()}
    head = list(found["CLIP-I, the middle"][0])
    lines = [f"| | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for title, each in found.items():
        lines.append(f"| {title} | {' | '.join(text([one[name] for one in each]) for name in head)} |")
    recorder.save(
        {title: {name: [one[name] for one in each] for name in head} for title, each in found.items()}
    )
    page = "\n".join(lines) + "\n"
    save_text(page, output.with_suffix(".md"))
    print(page)


if __name__ == "__main__":
    typer.run(main)
