"""The demo's table over every bundled concept: context and likeness kept, CLIP-T, CLIP-I, by adjustment.

    python benchmarks/demo_table.py                  # 6 concepts × 8 prompts × 8 seeds: half an hour
    python benchmarks/demo_table.py --seeds 2 --concept cat

Base model, personalised model, the paper's settings (α 0.2, β 1.5), each α at the demo's β, and the largest
once more with the negative prompt by the base encoder.

Checks first that the adjustment with α = 0 and the norm kept draws the personalised model's pictures to the
last bit. Every arm shares its seeds with every other; spread is over seeds. Records every picture's
scores, and writes the table in Markdown.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from recorder import Recorder
from rich.progress import track

import uncollapse as uc
from uncollapse.comparison import BASE, PERSONALISED, Arm, Comparison, compare, tea_arms
from uncollapse.metrics import SCORES, share, spread_over_seeds
from uncollapse.models.generation import GenerationSettings, generate
from uncollapse.output import save_text
from uncollapse.subjects import BUNDLED_BETA, Bundled, bundled, chosen_miniature

RESULTS = Path(__file__).parent / "results"
SETTINGS = GenerationSettings(num_inference_steps=20, guidance_scale=4.0, batch_size=16)
ALPHAS = [0.2, 0.4, 0.6]


def check_identity(pipe, own: Bundled) -> None:
    """Fail unless an adjustment that asks for nothing changes nothing."""
    personal = own.personal
    prompts = [p.template.format(personal.placeholder) for p in own.prompts()[:2]]
    plain = generate(pipe, prompts, [0, 1], SETTINGS)
    with uc.apply(pipe, personal.placeholder, anchor=personal.anchor, alpha=0.0, beta=None):
        adjusted = generate(pipe, prompts, [0, 1], SETTINGS)
    if not all(np.array_equal(a, b) for a, b in zip(plain, adjusted, strict=True)):
        raise SystemExit(
            f"{personal.name}: α = 0 with the norm kept changed the pictures. Nothing was measured."
        )


def measure(own: Bundled, arms: list[Arm], seeds: int) -> Comparison:
    """One concept's comparison, all its context prompts."""
    pipe, concept = own.pipeline(), own.concept()
    check_identity(pipe, own)
    measures = own.measures(concept.anchor)
    return compare(pipe, concept, own.prompts(), range(seeds), arms, SETTINGS, measures)


def rows(comparisons: dict[str, Comparison]) -> list[tuple[str, str, dict[str, str]]]:
    """Concept, arm and its scores in words; "all" pools the concepts."""
    found = []
    for name, c in comparisons.items():
        found += [(name, arm.name, {k: str(v) for k, v in c.summary(arm.name).items()}) for arm in c.arms]
    for arm in next(iter(comparisons.values())).arms:
        records = [r for c in comparisons.values() for r in c.of(arm.name)]
        seeds = [r.seed for r in records]
        pooled = {}
        for score in records[0].scores:
            values = [r.scores[score] for r in records]
            yes_no = isinstance(values[0], bool)
            pooled[score] = str(share(values) if yes_no else spread_over_seeds(seeds, values))
        found.append(("all", arm.name, pooled))
    return found


def markdown(comparisons: dict[str, Comparison]) -> str:
    """The table as a page."""
    titles = [score.title for score in SCORES.values()]
    lines = ["| concept | arm | " + " | ".join(titles) + " |", "|---" * (2 + len(titles)) + "|"]
    for concept, arm, scores in rows(comparisons):
        lines.append(f"| {concept} | {arm} | " + " | ".join(scores.get(k, "") for k in SCORES) + " |")
    return "\n".join(lines) + "\n"


def main(
    concept: Annotated[list[str] | None, typer.Option(help="Which concepts; all by default.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds for each of the eight prompts.")] = 8,
    alpha: Annotated[list[float], typer.Option(help="Which α to try.")] = ALPHAS,
    output: Annotated[Path, typer.Option(help="Where the results go, without ending.")] = RESULTS
    / "demo_table",
) -> None:
    """Measure and write the table."""
    adjusted = tea_arms(alpha, BUNDLED_BETA)
    apart = replace(adjusted[-1], name=f"{adjusted[-1].name}, base negative", negative_encoder="base")
    arms = [BASE, PERSONALISED, Arm("TEA α 0.2 β 1.5", uc.Adjustment()), *adjusted, apart]
    names = concept or list(chosen_miniature().concepts)
    settings = dict(concept=names, seeds=seeds, alpha=alpha, beta=BUNDLED_BETA, drawing=SETTINGS.given())
    recorder, comparisons = Recorder("demo_table", output.with_suffix(".json"), **settings), {}
    for name in track(names, description="measuring"):
        comparisons[name] = measure(bundled(name), arms, seeds)
        for r in comparisons[name].records:
            recorder.add({"concept": name, "arm": r.arm, "prompt": r.prompt, "seed": r.seed, **r.scores})
    recorder.save()
    save_text(markdown(comparisons), output.with_suffix(".md"))
    print(markdown(comparisons))


if __name__ == "__main__":
    typer.run(main)
