"""What the verdict's thresholds rest on, and how often it is right: the denoiser probe against the
judge's eyes.

    python benchmarks/diagnosis_verdict.py                    # measures what is missing, then judges
    python benchmarks/diagnosis_verdict.py --judge-only       # from the records of an earlier run
    python benchmarks/diagnosis_verdict.py --folder RUN …     # trajectories of trainings besides

A *state* is a bundled LoRA at some strength in text encoder and U-Net, or adjusted, or a checkpoint of a
trajectory. Of each, the images say how much of the asked-for context and of the likeness is kept (the
judge, on prompts × seeds pictures), the probe and the text say what they say, and one line of JSON keeps
it all, so a run that is cut short goes on where it stopped. Truth: dominating where under 75 % of the
contexts are kept, else overlooked where under 25 % of the likeness is, else healthy.

Thresholds are fitted to the rank of balanced accuracy on all concepts but one and judge that one; what is
reported is over the concepts left out. The last line fits them on all: those stand in ``verdict.py``.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from scipy.stats import spearmanr

import uncollapse as uc
from uncollapse import miniature
from uncollapse.cli.bundled import bundled_contexts, bundled_pipeline
from uncollapse.comparison import PERSONALISED, compare
from uncollapse.diagnosis.distances import energy
from uncollapse.diagnosis.probe import base_response, probe, response
from uncollapse.diagnosis.prompts import encode_both, encoder_of, prompt_drift
from uncollapse.diagnosis.spread import set_spread
from uncollapse.generation import GenerationSettings
from uncollapse.learned_embeds import load_into
from uncollapse.loading import load_lora
from uncollapse.measures import judge_measure
from uncollapse.trajectory import read_trajectory

RESULTS = Path(__file__).parent / "results" / "diagnosis_verdict.jsonl"
SETTINGS = GenerationSettings(num_inference_steps=12, guidance_scale=4.0, batch_size=16)
KEPT, LIKE = 75.0, 25.0
STRENGTHS = [
    (1.0, 1.0),
    (0.75, 0.75),
    (0.5, 0.5),
    (0.25, 0.25),
    (1.0, 0.0),
    (0.5, 0.0),
    (0.0, 1.0),
    (0.0, 0.5),
]
ALPHAS = (0.2, 0.4, 0.6)
TEXT = ("context drift", "concept drift", "pooled drift", "energy", "spread")


@contextmanager
def strength(pipe: Any, text: float, unet: float) -> Iterator[None]:
    """The LoRA at some of its strength in either part."""
    layers = [
        (layer, share)
        for model, share in ((pipe.text_encoder, text), (pipe.unet, unet))
        for layer in model.modules()
        if hasattr(layer, "lora_A")
    ]
    before = [dict(layer.scaling) for layer, _ in layers]
    for layer, share in layers:
        layer.scaling = {name: share * value for name, value in layer.scaling.items()}
    try:
        yield
    finally:
        for (layer, _), scaling in zip(layers, before, strict=True):
            layer.scaling = scaling


def bundled_states(personal: Any) -> Iterator[tuple[str, Any]]:
    """(name, pipeline) of each state of a bundled LoRA; the pipeline is in that state while it is out."""
    pipe = bundled_pipeline(personal)
    for text, unet in STRENGTHS:
        with strength(pipe, text, unet):
            yield f"text {text:g}, unet {unet:g}", pipe
    for alpha in ALPHAS:
        with uc.apply(pipe, personal.placeholder, anchor=personal.anchor, alpha=alpha, beta=1.0):
            yield f"TEA {alpha:g}", pipe


def trajectory_states(folder: Path) -> Iterator[tuple[str, Any]]:
    """The checkpoints of one training."""
    trajectory = read_trajectory(folder)
    for checkpoint in trajectory.checkpoints:
        pipe = miniature.load_pipeline()
        if trajectory.method == "textual-inversion":
            load_into(pipe, trajectory.path(checkpoint), trajectory.placeholder)
        else:
            load_lora(pipe, trajectory.path(checkpoint))
        yield f"{trajectory.method}, step {checkpoint.step}", pipe


def images_say(pipe: Any, personal: Any, concept: uc.Concept, seeds: int) -> dict[str, float]:
    """Per cent of context and of likeness kept."""
    measures = [judge_measure(miniature.load_judge().read, personal.matches)]
    prompts = miniature.context_prompts(personal)
    found = compare(pipe, concept, prompts, range(seeds), [PERSONALISED], SETTINGS, measures)
    summary = found.summary(PERSONALISED.name)
    return {"kept": summary["context_kept"].percent, "like": summary["identity_kept"].percent}


def probe_says(pipe: Any, concept: uc.Concept, contexts: Any, reference: Any) -> dict[str, float]:
    """The denoiser's figures."""
    found = probe(response(pipe, concept.placeholder, contexts.first(16).templates), reference)
    return {name: getattr(found, name).value for name in ("response", "cosine", "heard", "presence")}


def text_says(pipe: Any, concept: uc.Concept, contexts: Any) -> dict[str, float]:
    """The text encoder's figures."""
    drift = prompt_drift(encoder_of(pipe)[0], concept, *encode_both(pipe, concept, contexts))
    spread = set_spread(drift.P, drift.Q).euclidean / set_spread(drift.Q).euclidean
    means = (each.nanmean().item() for each in (drift.context, drift.concept, drift.pooled))
    return dict(zip(TEXT, (*means, energy(drift.P, drift.Q, paired=True), spread), strict=True))


def measure(name: str, states: Iterator, placeholder: str, seeds: int, records: list, file: Path) -> None:
    """Add a record for each state that has none."""
    personal = miniature.CONCEPTS[name]
    concept = uc.Concept(placeholder, personal.anchor)
    contexts, reference = bundled_contexts(personal), None
    for state, pipe in states:
        record = next((r for r in records if (r["concept"], r["state"]) == (name, state)), None)
        if record is None:
            record = {"concept": name, "state": state}
            records.append(record)
        if reference is None:
            reference = base_response(pipe, concept, contexts.first(16).templates)
        if "kept" not in record:
            record |= images_say(pipe, personal, concept, seeds)
        if "heard" not in record:
            record |= probe_says(pipe, concept, contexts, reference)
        if TEXT[0] not in record and not state.startswith("TEA"):  # an adjustment is made after the encoder
            record |= text_says(pipe, concept, contexts)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
        print(
            f"{time.strftime('%X')} {name}, {state}: kept {record['kept']:.0f}, heard {record['heard']:.2f}"
        )


def truth(record: dict) -> str:
    """The word for what the images kept."""
    if record["kept"] < KEPT:
        return "dominating"
    return "overlooked" if record["like"] < LIKE else "healthy"


def word(record: dict, heard: float, presence: float) -> str:
    """The verdict's rule (``verdict.judged``) with other thresholds."""
    if record["heard"] < heard:
        return "dominating"
    return "overlooked" if record["presence"] < presence else "healthy"


def best_split(values: list[float], below: list[bool]) -> float:
    """The threshold under which ``below`` lies with the best balanced accuracy; halfway between "
    "neighbours."""
    values, below = np.array(values), np.array(below)
    order = np.unique(values)
    splits = (order[:-1] + order[1:]) / 2
    scores = [(np.mean(values[below] < s) + np.mean(values[~below] >= s)) / 2 for s in splits]
    best = np.flatnonzero(np.isclose(scores, max(scores)))
    return float(splits[best[len(best) // 2]])


def fitted(records: list[dict]) -> tuple[float, float]:
    """HEARD and PRESENCE for these records."""
    heard = best_split([r["heard"] for r in records], [truth(r) == "dominating" for r in records])
    rest = [r for r in records if truth(r) != "dominating"]
    return heard, best_split([r["presence"] for r in rest], [truth(r) == "overlooked" for r in rest])


def rank(records: list[dict], score: str) -> float:
    """Spearman's correlation of a score with the context kept."""
    return spearmanr([r[score] for r in records], [r["kept"] for r in records])[0]


def report(records: list[dict]) -> None:
    """Rank correlations, verdicts on concepts left out, failures."""
    names = sorted({r["concept"] for r in records})
    print(f"\n{len(records)} states of {len(names)} concepts; truth:", end=" ")
    print({w: sum(truth(r) == w for r in records) for w in ("dominating", "healthy", "overlooked")})
    for score in ("heard", "response", "cosine", "presence"):
        print(f"rank correlation with context kept, {score}: {rank(records, score):+.2f}")
    with_text = [r for r in records if TEXT[0] in r]
    for score in TEXT:
        print(f"  text alone ({len(with_text)} states not adjusted), {score}: {rank(with_text, score):+.2f}")
    print(f"  heard, on those same states: {rank(with_text, 'heard'):+.2f}")
    right, two_way, wrong = 0, 0, []
    for name in names:
        thresholds = fitted([r for r in records if r["concept"] != name])
        for r in (r for r in records if r["concept"] == name):
            found = word(r, *thresholds)
            right += found == truth(r)
            two_way += (found == "dominating") == (truth(r) == "dominating")
            if found != truth(r):
                figures = ", ".join(f"{k} {r[k]:.2f}" for k in ("kept", "like", "heard", "presence"))
                wrong.append(f"  {name}, {r['state']}: {truth(r)} called {found} ({figures})")
    share = 100 * right / len(records)
    print(f"verdicts on concepts left out: {right} of {len(records)} right ({share:.0f} %)")
    print(f"  dominating or not: {two_way} of {len(records)} right ({100 * two_way / len(records):.0f} %)")
    print(*wrong, sep="\n")
    print("fitted on all: HEARD {:.2f}, PRESENCE {:.2f}".format(*fitted(records)))


def main(
    judge_only: Annotated[bool, typer.Option("--judge-only", help="Measure nothing.")] = False,
    seeds: Annotated[int, typer.Option(help="Pictures of each of the eight prompts.")] = 2,
    folder: Annotated[list[Path] | None, typer.Option(help="A trajectory of the miniature.")] = None,
    results: Annotated[Path, typer.Option(help="Where the records are kept.")] = RESULTS,
) -> None:
    """Measure what is missing and judge."""
    torch.set_num_threads(1)
    records = [json.loads(line) for line in results.open()] if results.exists() else []
    for name, personal in ({} if judge_only else miniature.CONCEPTS).items():
        measure(name, bundled_states(personal), personal.placeholder, seeds, records, results)
    for each in [] if judge_only else folder or []:
        t = read_trajectory(each)
        name = next(n for n, c in miniature.CONCEPTS.items() if c.anchor == t.class_word)
        measure(name, trajectory_states(each), t.placeholder, seeds, records, results)
    report(records)


if __name__ == "__main__":
    typer.run(main)
