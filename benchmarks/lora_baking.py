"""Does a baked LoRA draw what the adjustment draws? Every bundled concept, the same noise for both.

    python benchmarks/lora_baking.py                  # 6 concepts × 8 prompts × 1 seed
    python benchmarks/lora_baking.py --concept cat --seeds 2

Of each concept a file is baked (α 0/1/1, β 1), and the miniature draws prompts with the concept:
personalised, adjusted, and with the baked file; and the same prompts about the plain word, with the LoRA as
it was and as it is baked, which should make no difference. Intervals are Student's over the concepts' means;
differences are paired by concept, with an exact sign-flip test.

Checks first that unbaking gives every tensor back, and that a file into which "the text half at 0.25" is
baked draws what that arm draws. Records every picture's scores, and writes the tables in Markdown. A run that
was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import Annotated, Any

import numpy as np
import torch
import typer
from recorder import Lines, Recorder
from rich.progress import track
from safetensors.torch import load_file
from shares import OUTCOMES, Shares, interval_text

from rivals import DRAWING
from uncollapse.carrying import FitSettings, bake_lora, unbake_lora
from uncollapse.comparison import PERSONALISED, Arm, compare, parse_arm
from uncollapse.concept import Concept
from uncollapse.models.loading import load_lora
from uncollapse.output import save_text
from uncollapse.subjects import Bundled, bundled, chosen_miniature

RESULTS = Path(__file__).parent / "results"
ADJUSTED = parse_arm("tea:alpha=0/1/1,beta=1")
EXACT = parse_arm("lora:text=0.25")
BAKED = "baked"


@dataclass(frozen=True)
class AboutTheWord(Arm):
    """The LoRA is on, and the prompt has the plain word in the placeholder's stead."""

    def asked(self, concept: Concept, template: str) -> str:
        return template.replace("{}", concept.anchor)


def check(own: Bundled, work: Path) -> None:
    """Fail unless files give back what they were made of, and an exact one draws exactly."""
    lora, made = own.personal.lora, work / "exact.safetensors"
    bake_lora(lora, made, own.pipeline(), own.concept(), EXACT, overwrite=True)
    one, other = load_file(lora), load_file(unbake_lora(made, work / "back.safetensors", overwrite=True))
    if one.keys() != other.keys() or not all(torch.equal(one[name], other[name]) for name in one):
        raise SystemExit("Unbaking gave other tensors back. Nothing was measured.")
    pipes = own.pipeline(), with_file(own, made)
    asked = own.prompts()[:1], [0]
    drawn = [
        compare(pipe, own.concept(), *asked, [arm], DRAWING)
        for pipe, arm in zip(pipes, (EXACT, PERSONALISED), strict=True)
    ]
    one, other = (np.asarray(each.records[0].image, dtype=float) for each in drawn)
    off = np.abs(one - other).max()
    if off > 2:  # of 255: half precision
        raise SystemExit(
            f"'{EXACT.name}' draws otherwise when it is baked, by {off:.0f}. Nothing was measured."
        )


def with_file(own: Bundled, lora: Path) -> Any:
    """The miniature with another LoRA."""
    pipe = own.miniature.pipeline()
    load_lora(pipe, lora)
    return pipe


def measure(name: str, seeds: int, settings: FitSettings, work: Path) -> tuple[list[dict], dict]:
    """A record for every picture of one concept, and what the command says of the file."""
    own = bundled(name)
    concept, measures = own.concept(), own.measures(own.concept().anchor)
    start = process_time()
    file = work / f"{name}.safetensors"
    found = bake_lora(own.personal.lora, file, own.pipeline(), concept, ADJUSTED, settings, overwrite=True)
    said = asdict(found) | {"concept": name, "cpu_seconds": process_time() - start, "output": file.name}
    word, word_baked = AboutTheWord("the word"), AboutTheWord("the word, baked")
    records = []
    for pipe, arms in (
        (own.pipeline(), [PERSONALISED, ADJUSTED, word]),
        (with_file(own, file), [Arm(BAKED), word_baked]),
    ):
        drawn = compare(pipe, concept, own.prompts(), range(seeds), arms, DRAWING, measures)
        records += [
            {"concept": name, "arm": r.arm, "prompt": r.prompt, "seed": r.seed, **r.scores}
            for r in drawn.records
        ]
    return records, said


def markdown(shares: Shares, said: Sequence[dict]) -> str:
    """The tables as a page."""
    lines = [f"| arm | {' | '.join(OUTCOMES)} |", "|---" * 4 + "|"]
    for arm in shares.arms:
        cells = [interval_text(shares.mean(arm, o), shares.interval(shares.found[arm, o])) for o in OUTCOMES]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    pairs = ((BAKED, ADJUSTED.name), ("the word, baked", "the word"))
    for one, other in pairs if len(shares.concepts) > 1 else ():  # of one there is nothing to test
        gains = [shares.gain(one, outcome, other) for outcome in OUTCOMES]
        cells = [f"{interval_text(mean, at, sign='+')}, p {p:.2f}" for mean, at, p in gains]
        lines.append(f"| {one} − {other} | {' | '.join(cells)} |")
    head = ["concept", "carried", "others moved", *(f"{o}, adjusted → baked" for o in OUTCOMES[:2]), "CPU s"]
    lines += ["", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for each in sorted(said, key=lambda each: each["concept"]):
        at = shares.concepts.index(each["concept"])
        figures = [
            f"{shares.found[ADJUSTED.name, o][at]:.0%} → {shares.found[BAKED, o][at]:.0%}"
            for o in OUTCOMES[:2]
        ]
        told = [
            f"{each['carried']:.0%}",
            f"{each['others_moved']:.0%}",
            *figures,
            f"{each['cpu_seconds']:.0f}",
        ]
        lines.append(f"| {each['concept']} | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def main(
    concept: Annotated[list[str] | None, typer.Option(help="Which concepts; all by default.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds for each of the eight prompts.")] = 1,
    rank: Annotated[int, typer.Option(help="That is added.")] = FitSettings().rank,
    steps: Annotated[int, typer.Option(help="Of the fit.")] = FitSettings().steps,
    output: Annotated[Path, typer.Option(help="Where the results go, without ending.")] = RESULTS
    / "lora_baking",
    work: Annotated[Path, typer.Option(help="Keeps the files, and the records of a stopped run.")] = Path(
        "outputs/lora_baking"
    ),
) -> None:
    """Measure and write the tables."""
    torch.set_num_threads(1)
    settings = FitSettings(rank=rank, steps=steps)
    names = concept or list(chosen_miniature().concepts)
    told = dict(seeds=seeds, fit=asdict(settings), drawing=DRAWING.given())
    kept = Lines(work / "concepts.jsonl", "concept")
    if names[0] not in {key[0] for key in kept.items}:
        check(bundled(names[0]), work)
    for name in track(names, description="measuring"):
        if (name,) in kept.items and kept.items[name,].get("settings") == told:
            continue
        recorder = Recorder("lora_baking", work / f"{name}.json", **told)
        records, said = measure(name, seeds, settings, work)
        for record in records:
            recorder.add(record)
        kept.add(recorder.save(said))
    whole = Recorder("lora_baking", output.with_suffix(".json"), concept=names, **told)
    for name in names:
        for record in kept.records[name,]:
            whole.add(record)
    shares, said = Shares(whole.records), [kept.items[name,]["summary"] for name in names]
    whole.save({each["concept"]: each for each in said})
    save_text(markdown(shares, said), output.with_suffix(".md"))
    print(markdown(shares, said))


if __name__ == "__main__":
    typer.run(main)
