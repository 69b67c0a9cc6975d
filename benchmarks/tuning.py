"""The tuned way beside every fixed one and the best with hindsight, on prompts and seeds not tuned on.

    python benchmarks/rivals.py                   # first: it draws every way of the family for every concept
    python benchmarks/tuning.py                   # 6 concepts × 2 halves × up to 60 pictures

Each concept is tuned on half of its eight prompts, by the judge, with seeds of its own, and the way that was
chosen is looked up among the pictures that ``rivals`` drew of the other half; then the halves change places.
So no picture that a choice rests on is among those that judge it. "Both" is the share of pictures that keep
context and likeness. Intervals are Student's over concepts; the tuned way is compared with each fixed one by
an exact sign-flip test over them. "Hindsight" is the best way of each concept and half, read off the very
pictures that judge it, which no honest choice reaches.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from time import process_time
from typing import Annotated

import numpy as np
import typer
from recorder import Recorder, read
from rich.progress import track
from shares import Shares, interval_text

from uncollapse.comparison import parse_arm
from uncollapse.output import save_text
from uncollapse.subjects import bundled
from uncollapse.tuning import Keep, TuneSettings, family, tune

RESULTS = Path(__file__).parent / "results"
SEED = 1000  # of tuning; ``rivals`` draws with seeds from 0
TUNED, HINDSIGHT = "tuned", "hindsight"


def halves(own) -> list[tuple[list, list]]:
    """What is tuned on, and what judges it; and the other way round."""
    prompts = list(own.prompts())
    return [(prompts[::2], prompts[1::2]), (prompts[1::2], prompts[::2])]


def chosen(own, prompts, keep: Keep) -> dict:
    """What tuning says, and what it cost."""
    concept, started = own.concept(), process_time()
    settings = TuneSettings(keep=keep, seed=SEED)
    found = tune(
        own.pipeline(), concept, prompts, own.measures(concept.anchor), settings, own.miniature.drawing
    )
    best = found.chosen
    return {
        "way": best.way if best else "none",
        "context": best.context if best else None,
        "likeness": best.likeness if best else None,
        "pictures": found.drawn,
        "cpu_seconds": round(process_time() - started, 1),
    }


def main(
    keep: Annotated[str, typer.Option(help="The wish: balance, likeness 95%, context 95%.")] = "balance",
    rivals: Annotated[Path, typer.Option(help="What benchmarks/rivals.py wrote.")] = RESULTS / "rivals.json",
    output: Annotated[Path, typer.Option(help="Where the results go, without ending.")] = RESULTS / "tuning",
) -> None:
    """Tune, look up, and write the table."""
    drawn = read(rivals)["records"]
    names = sorted({record["concept"] for record in drawn})
    recorder = Recorder("tuning", output.with_suffix(".json"), keep=keep, seed=SEED)
    judged: list[dict] = []
    for name, half in track(list(product(names, (0, 1))), description="tuning"):
        own = bundled(name)
        tuned_on, judged_on = halves(own)[half]
        found = chosen(own, tuned_on, Keep.parsed(keep))
        recorder.add({"concept": name, "half": half, **found})
        arms = {parse_arm(way).name for way in family(own.pipeline(), own.concept())}
        asked = {p.template.replace("{}", own.personal.placeholder) for p in judged_on}
        here = [r for r in drawn if r["concept"] == name and r["prompt"] in asked and r["arm"] in arms]
        missing = arms - {r["arm"] for r in here}
        if missing or not here:
            raise SystemExit(
                f"{name}: {rivals} has no pictures of {', '.join(missing)}. Run benchmarks/rivals.py."
            )
        best = max(arms, key=lambda arm: np.mean([_both(r) for r in here if r["arm"] == arm]))
        for arm, source in (
            *((arm, arm) for arm in sorted(arms)),
            (TUNED, parse_arm(found["way"]).name),
            (HINDSIGHT, best),
        ):
            judged += [r | {"arm": arm} for r in here if r["arm"] == source]
    shares = Shares(judged)
    recorder.save({arm: shares.mean(arm, "both") for arm in shares.arms})
    text = markdown(shares)
    save_text(text, output.with_suffix(".md"))
    print(text)


def _both(record: dict) -> bool:
    return record["context_kept"] and record["identity_kept"]


def markdown(shares: Shares) -> str:
    """The table as a page, the best first."""
    lines = [
        "| way | context kept | likeness kept | both | tuned against it, both | p |",
        "|---|---|---|---|---|---|",
    ]
    for arm in sorted(shares.arms, key=lambda arm: -shares.mean(arm, "both")):
        cells = [
            interval_text(shares.mean(arm, o), shares.interval(shares.found[arm, o]))
            for o in ("context kept", "likeness kept", "both")
        ]
        more = ["", ""]
        if arm != TUNED:
            mean, interval, p = shares.gain(TUNED, "both", arm)
            more = [interval_text(mean, interval, sign="+"), f"{p:.3f}"]
        lines.append(f"| {arm} | {' | '.join([*cells, *more])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
