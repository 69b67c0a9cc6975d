"""The tuned way beside every fixed one and the best with hindsight, on prompts that were not tuned on.

    python benchmarks/rivals.py           # first: it draws every way of the family for every concept
    python benchmarks/tuning.py           # draws nothing: tuning is given those pictures' scores
    python benchmarks/tuning.py --draw    # 6 concepts × 2 halves × up to 60 pictures, with seeds of their own

Each concept is tuned on half of its eight prompts, and the way that was chosen is looked up among the
pictures that ``rivals`` drew of the other half; then the halves change places. So no picture that a choice
rests on is among those that judge it; and the family is handed over in the order of what its ways reached
over the *other* concepts. It is done twice: with the judge's eyes, and with CLIP's, which is what a user has.
"Both" is the share of pictures that keep context and likeness. Intervals are Student's over concepts; the
tuned way is compared with each other one by an exact sign-flip test over them.

"Hindsight" is the best way of each concept and half, read off the very pictures that judge it: of a dozen
ways and eight pictures each, luck makes a good part of it. So there is a second one, read off the pictures of
one seed and judged by the other seeds': as well as one can do who has seen those prompts already.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from time import process_time
from typing import Annotated

import numpy as np
import typer
from recorder import Recorder, read
from rich.progress import track
from shares import Shares, interval_text

from uncollapse.cli.album import PictureFolder
from uncollapse.comparison import Album, parse_arm
from uncollapse.output import save_text
from uncollapse.subjects import bundled
from uncollapse.tuning import Keep, TuneSettings, family, tune

RESULTS = Path(__file__).parent / "results"
SEED = 1000  # of tuning; ``rivals`` draws with seeds from 0
TUNED = {"judge": "tuned, by the judge", "CLIP": "tuned, by CLIP"}
SCORES = {"judge": ("context_kept", "identity_kept"), "CLIP": ("clip_t_context", "clip_i")}
HINDSIGHT, OTHER_SEED = "hindsight", "hindsight, by another seed"


def halves(own) -> list[tuple[list, list]]:
    """What is tuned on, and what judges it; and the other way round."""
    prompts = list(own.prompts())
    return [(prompts[::2], prompts[1::2]), (prompts[1::2], prompts[::2])]


def by_trust(records: list[dict], ways: tuple[str, ...], name: str) -> list[str]:
    """The family, the best over the other concepts first."""

    def reached(way: str) -> float:
        arm = parse_arm(way).name
        return np.mean([_both(r) for r in records if r["arm"] == arm and r["concept"] != name])

    return sorted(ways, key=reached, reverse=True)


class Drawn(Album):
    """One concept's pictures of ``rivals``: nothing is drawn again, and ``look`` measures them."""

    def __init__(self, records: list[dict], name: str, scores: tuple[str, ...]) -> None:
        super().__init__()
        self.known = {(r["arm"], r["prompt"], r["seed"]): r for r in records if r["concept"] == name}
        self.scores, self.asked = scores, []

    def found(self, arm, asked, prompt, seed) -> Path:
        self.asked.append(self.known[arm.name, asked, seed])
        return Path("drawn.png")

    def look(self, images, prompts) -> list[dict]:
        now, self.asked = self.asked[: len(images)], self.asked[len(images) :]
        return [{name: record[name] for name in self.scores} for record in now]


def chosen(own, prompts, measures, album: Album, settings: TuneSettings) -> dict:
    """What tuning says, and what it cost."""
    concept, started = own.concept(), process_time()
    found = tune(own.pipeline(), concept, prompts, measures, settings, own.miniature.drawing, album=album)
    best = found.chosen
    return {
        "way": best.way if best else "none",
        "context": best.context if best else None,
        "likeness": best.likeness if best else None,
        "close": [each.way for each in found.candidates if each.close],
        "pictures": found.drawn,
        "cpu_seconds": round(process_time() - started, 1),
    }


def main(
    keep: Annotated[str, typer.Option(help="The wish: balance, likeness 95%, context 95%.")] = "balance",
    draw: Annotated[bool, typer.Option("--draw", help="Tune on pictures of its own.")] = False,
    rivals: Annotated[Path, typer.Option(help="What benchmarks/rivals.py wrote.")] = RESULTS / "rivals.json",
    output: Annotated[Path, typer.Option(help="Where the results go, without ending.")] = RESULTS / "tuning",
    work: Annotated[Path, typer.Option(help="Keeps the pictures, for a run that was stopped.")] = Path(
        "outputs/tuning"
    ),
) -> None:
    """Tune, look up, and write the table."""
    drawn = read(rivals)["records"]
    names = sorted({record["concept"] for record in drawn})
    seeds = sorted({record["seed"] for record in drawn})
    recorder = Recorder("tuning", output.with_suffix(".json"), keep=keep, draw=draw, seed=SEED if draw else 0)
    judged: list[dict] = []
    for name, half in track(list(product(names, (0, 1))), description="tuning"):
        own = bundled(name)
        tuned_on, judged_on = halves(own)[half]
        ways = by_trust(drawn, family(own.pipeline(), own.concept()), name)
        arms = [parse_arm(way).name for way in ways]
        asked = {p.template.replace("{}", own.personal.placeholder) for p in judged_on}
        here = [r for r in drawn if r["concept"] == name and r["prompt"] in asked]
        missing = {arm for arm in arms if not any(r["arm"] == arm for r in here)}
        if missing:
            raise SystemExit(
                f"{name}: {rivals} has no pictures of {', '.join(missing)}. Run benchmarks/rivals.py."
            )
        for arm in arms:
            judged += _of(arm, here, arm)
        judged += _of(HINDSIGHT, here, _best(arms, here))
        for seed in {r["seed"] for r in here}:
            others = [r for r in here if r["seed"] != seed]
            judged += _of(OTHER_SEED, [r for r in here if r["seed"] == seed], _best(arms, others))
        wish = Keep.parsed(keep)
        for eyes, arm in TUNED.items():
            if draw:
                settings = TuneSettings(keep=wish, seed=SEED, ways=ways)
                made = {"concept": own.personal.placeholder}
                album = PictureFolder(work / f"{name}-{half}", made, len(tuned_on), resume=True)
                measures = [{"judge": own.judged, "CLIP": partial(own.scored, own.personal.anchor)}[eyes]()]
            else:
                settings = TuneSettings(keep=wish, rounds=min(3, len(seeds)), ways=ways)
                album = Drawn(drawn, name, SCORES[eyes])
                measures = [album.look]
            found = chosen(own, tuned_on, measures, album, settings)
            recorder.add({"concept": name, "half": half, "eyes": eyes, **found})
            judged += _of(arm, here, parse_arm(found["way"]).name)
    shares = Shares(judged)
    recorder.save({arm: shares.mean(arm, "both") for arm in shares.arms})
    text = markdown(shares)
    save_text(text, output.with_suffix(".md"))
    print(text)


def _best(arms: list[str], records: list[dict]) -> str:
    """The first of those that keep both most often."""
    return max(arms, key=lambda arm: np.mean([_both(r) for r in records if r["arm"] == arm]))


def _of(name: str, records: list[dict], arm: str) -> list[dict]:
    """One arm's records under a name."""
    return [r | {"arm": name} for r in records if r["arm"] == arm]


def _both(record: dict) -> bool:
    return record["context_kept"] and record["identity_kept"]


def markdown(shares: Shares) -> str:
    """The table as a page, the best first."""
    lines = [
        "| way | context kept | likeness kept | both | tuned by the judge against it, both | p |",
        "|---|---|---|---|---|---|",
    ]
    for arm in sorted(shares.arms, key=lambda arm: -shares.mean(arm, "both")):
        cells = [
            interval_text(shares.mean(arm, o), shares.interval(shares.found[arm, o]))
            for o in ("context kept", "likeness kept", "both")
        ]
        more = ["", ""]
        if arm != TUNED["judge"]:
            mean, interval, p = shares.gain(TUNED["judge"], "both", arm)
            more = [interval_text(mean, interval, sign="+"), f"{p:.3f}"]
        lines.append(f"| {arm} | {' | '.join([*cells, *more])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
