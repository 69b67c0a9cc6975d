"""What the verdict's thresholds rest on, and how often it is right: probe and text against the judge's eyes.

    python benchmarks/training_curves.py                      # first: the trainings, and their pictures
    python benchmarks/diagnosis_verdict.py                    # measures what is missing, then judges
    python benchmarks/diagnosis_verdict.py --judge-only       # from the records of an earlier run

A *state* is a checkpoint of one of the runs of `training_curves.py` (three methods, six concepts, two
seeds, nine steps), or the last one of a run with an adjustment in force. Of each, 32 pictures say how much of
the asked-for context and of the likeness is kept, as the judge reads them; the probe and the text encoder say
what they say. Truth: dominating where under 75 % of the contexts are kept, else overlooked where under 25 %
of the likeness is, else healthy.

Thresholds are fitted, by balanced accuracy, to the unadjusted states of all concepts but one, and judge that
one; what is reported is over the concepts left out. The last line fits them to all: those stand in
``verdict.py``.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from recorder import Lines, Recorder, read
from scipy.stats import spearmanr
from training_curves import ITEM, WORK, folder_of, pictures_say, runs, trained
from training_curves import measured as pictures_of

import uncollapse as uc
from uncollapse.diagnosis.checkpoints import states
from uncollapse.diagnosis.probe import base_response, probe, response
from uncollapse.diagnosis.prompts import encode_both, encoder_of, prompt_drift
from uncollapse.diagnosis.verdict import PROMPT_BETA, judged
from uncollapse.metrics.sets.distances import energy
from uncollapse.metrics.sets.spread import set_spread
from uncollapse.miniature import MINIATURES
from uncollapse.miniature.recipes import RECIPES

MINIATURE = MINIATURES["unet"]
RESULTS = Path(__file__).parent / "results" / "diagnosis_verdict.jsonl"
KEPT, LIKE = 75.0, 25.0
SEEDS = 2
ALPHAS = (0.2, 0.4, 0.6)
METHODS = ("dreambooth", "textual inversion", "custom diffusion")
PROBED = ("heard", "cosine", "response", "presence")
TEXT = ("context drift", "concept drift", "pooled drift", "energy", "spread")


def probe_says(pipe: Any, placeholder: str, contexts: Any, reference: Any) -> dict[str, float]:
    """The denoiser's figures."""
    found = probe(response(pipe, placeholder, contexts.first(16).templates), reference)
    return {name: getattr(found, name).value for name in PROBED}


def text_says(pipe: Any, concept: uc.Concept, contexts: Any, base: Any) -> dict[str, float]:
    """The text encoder's figures."""
    drift = prompt_drift(encoder_of(pipe)[0], concept, *encode_both(pipe, concept, contexts, base))
    spread = set_spread(drift.P, drift.Q).euclidean / set_spread(drift.Q).euclidean
    means = (each.nanmean().item() for each in (drift.context, drift.concept, drift.pooled))
    figures = dict(zip(TEXT, (*means, energy(drift.P, drift.Q, paired=True), spread), strict=True))
    return {**figures, "norm ratio": drift.norm_ratio.mean().item()}


def measured(work: Path, recipe: str, name: str, seed: int) -> dict[str, Any]:
    """What one run's states came to, measured unless its file is there."""
    torch.set_num_threads(1)
    file = folder_of(work, recipe, name, seed) / "diagnosis.json"
    if file.exists():
        return read(file)
    pictures, trajectory = pictures_of(work, recipe, name, seed)["records"], trained(work, recipe, name, seed)
    recorder = Recorder("diagnosis_verdict", file, alphas=ALPHAS)
    personal, base = MINIATURE.concepts[name], MINIATURE.pipeline()
    concept = uc.Concept(trajectory.placeholder, personal.anchor)
    contexts = MINIATURE.contexts(personal)
    reference = base_response(base, concept, contexts.first(16).templates)
    beta = {} if trajectory.method == "textual-inversion" else {"beta": PROMPT_BETA}
    checkpoints = states(trajectory, MINIATURE.pipeline(), MINIATURE.pipeline)
    for seen, (checkpoint, pipe) in zip(pictures, checkpoints, strict=True):
        said = probe_says(pipe, concept.placeholder, contexts, reference)
        seen["row cosine"] = seen.pop("cosine")  # the probe has one as well
        text = text_says(pipe, concept, contexts, base)
        recorder.add(_rounded({**seen, "alpha": 0.0, **said, **text}))
        for alpha in ALPHAS if checkpoint is trajectory.checkpoints[-1] else ():
            with uc.apply(pipe, replace(concept, alpha=alpha, **beta), base=base):
                drawn = pictures_say(pipe, personal, concept.placeholder)
                said = probe_says(pipe, concept.placeholder, contexts, reference)
            recorder.add(_rounded({**seen, **drawn, "alpha": alpha, **said}))
    return recorder.save()


def _rounded(record: dict) -> dict:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()}


def truth(record: dict) -> str:
    """The word for what the pictures kept."""
    if record["kept"] < KEPT:
        return "dominating"
    return "overlooked" if record["like"] < LIKE else "healthy"


def best_split(values: list[float], below: list[bool]) -> float:
    """The threshold under which ``below`` lies with the best balanced accuracy."""
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


def told_apart(records: list[dict]) -> list[str]:
    """A word for each record, by thresholds fitted to the unadjusted states of all concepts but its own."""
    plain = [r for r in records if not r["alpha"]]
    thresholds = {
        name: fitted([r for r in plain if r["concept"] != name]) for name in {r["concept"] for r in records}
    }
    return [judged(r["heard"], r["presence"], thresholds[r["concept"]]) for r in records]


def rank(records: list[dict], score: str) -> float:
    """Spearman's correlation of a score with the context kept."""
    return spearmanr([r[score] for r in records], [r["kept"] for r in records])[0]


def report(records: list[dict]) -> None:
    """Rank correlations, verdicts on concepts left out, failures."""
    plain = [r for r in records if not r["alpha"]]
    methods = {m: [r for r in plain if r["recipe"].startswith(m)] for m in METHODS}
    print(f"\n{len(records)} states, {len(plain)} of them unadjusted; truth:", end=" ")
    print({w: sum(truth(r) == w for r in records) for w in ("dominating", "healthy", "overlooked")})
    print(f"rank correlation with the context kept   {'all':>6}", *(f"{m:>18}" for m in methods))
    for score in (*PROBED, *TEXT):
        each = [rank(group, score) for group in (plain, *methods.values())]
        print(f"  {score:38} {each[0]:+6.2f}", *(f"{value:+18.2f}" for value in each[1:]))
    print(f"  heard, adjusted states too              {rank(records, 'heard'):+.2f}")
    told = list(zip(records, told_apart(records), strict=True))
    unadjusted = [(r, w) for r, w in told if not r["alpha"]]
    for title, pairs in (
        ("unadjusted", unadjusted),
        ("unadjusted, after step 0", [(r, w) for r, w in unadjusted if r["step"]]),
        *((f"unadjusted, {m}", [(r, w) for r, w in unadjusted if r["recipe"] == m]) for m in METHODS),
        ("adjusted", [(r, w) for r, w in told if r["alpha"]]),
    ):
        right = sum(w == truth(r) for r, w in pairs)
        two = sum((w == "dominating") == (truth(r) == "dominating") for r, w in pairs)
        share, share_two = 100 * right / len(pairs), 100 * two / len(pairs)
        print(
            f"verdicts on concepts left out, {title}: {right} of {len(pairs)} right ({share:.0f} %); "
            f"dominating or not: {two} ({share_two:.0f} %)"
        )
    print("\ntruth called verdict: how many")
    found = [(truth(r), w) for r, w in unadjusted]
    for pair in sorted(set(found)):
        print(f"  {pair[0]:10} called {pair[1]:10} {found.count(pair)}")
    print("\nfailures:")
    for r, w in unadjusted:
        if w != truth(r):
            figures = ", ".join(f"{k} {r[k]:.2f}" for k in ("kept", "like", "heard", "presence"))
            state = f"{r['recipe']}, {r['concept']}, seed {r['seed']}, step {r['step']}"
            print(f"  {state}: {truth(r)} called {w} ({figures})")
    print("\nlast states, as they are and adjusted")
    for method in METHODS:
        both = [r for r in records if r["recipe"] == method and r["step"] == RECIPES[method].given["steps"]]
        for alpha in (0.0, *ALPHAS):
            group = [r for r in both if r["alpha"] == alpha]
            names = ("kept", "like", "heard")
            means = ", ".join(f"{n} {np.mean([r[n] for r in group]):.2f}" for n in names)
            print(f"  {method:18} alpha {alpha:g}: {means} ({len(group)} runs)")
    the_papers_findings(plain)
    print("\nfitted to all unadjusted states: HEARD {:.2f}, PRESENCE {:.2f}".format(*fitted(plain)))


def the_papers_findings(records: list[dict]) -> None:
    """From the first checkpoint after step 0 to the last, over the runs of each method."""
    print("\nthe paper's findings, first checkpoint after step 0 to the last; [least-most] over the runs")
    for method in METHODS:
        courses: dict[tuple, list[dict]] = {}
        for r in records:
            if r["recipe"] == method and r["step"]:
                courses.setdefault((r["concept"], r["seed"]), []).append(r)
        ends = [(course[0], course[-1]) for course in courses.values()]
        for name in ("energy", "spread", "norm", "row cosine", "norm ratio"):
            if ends[0][0][name] is None:
                continue
            first, last = (np.array([end[i][name] for end in ends]) for i in (0, 1))
            rises = f"rises in {(last > first).sum()} of {len(ends)}"
            print(f"  {method:18} {name:10} {_range(first)} to {_range(last)}; {rises}")


def _range(values: np.ndarray) -> str:
    return f"{np.median(values):.3f} [{values.min():.3f}-{values.max():.3f}]"


def main(
    judge_only: Annotated[bool, typer.Option("--judge-only", help="Measure nothing.")] = False,
    workers: Annotated[int, typer.Option(help="Runs at a time, each with one thread.")] = 2,
    work: Annotated[Path, typer.Option(help="Where `training_curves.py` keeps its runs.")] = WORK,
    results: Annotated[Path, typer.Option(help="Where the records are kept.")] = RESULTS,
) -> None:
    """Measure what is missing and judge."""
    lines = Lines(results, *ITEM)
    if not judge_only:
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=fresh) as pool:
            chosen = runs(list(METHODS), list(MINIATURE.concepts), SEEDS)
            jobs = {pool.submit(measured, work, *run): run for run in chosen}
            for job in as_completed(jobs):
                lines.add(found := job.result())
                course = ", ".join(f"{r['kept']:.0f}/{r['heard']:.2f}" for r in found["records"])
                print(time.strftime("%X"), *jobs[job], course, flush=True)
    if not lines.items:
        raise SystemExit(f"{results} holds no records: run this without --judge-only first.")
    report([record for records in lines.records.values() for record in records])


if __name__ == "__main__":
    typer.run(main)
