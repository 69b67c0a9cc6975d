"""``uncollapse evaluate score``: the figures of a run, each beside all that it depends on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated

import torch
import typer

from ..errors import FileFormatError, Setting
from ..evaluation import PROFILES, Cell, Profile, Run, Scored, profile_called
from ..evaluation import score as score_run
from ..metrics import SCORES
from ..reports.table import Table
from . import options as o
from .console import command, print_json, progress, say, stdout
from .tables import print_table

Folders = list[Path] | None


@command
def score(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")],
    profile: Annotated[
        list[str],
        typer.Option(metavar=o.WORDS, help=f"Whose scores: {', '.join(PROFILES)}; repeat for several."),
    ],
    clip: Annotated[Folders, typer.Option(help="Folder of a CLIP; repeat for several.")] = None,
    dino: Annotated[Folders, typer.Option(help="Folder of a DINO or DINOv2; repeat for several.")] = None,
    siglip: Annotated[Folders, typer.Option(help="Folder of a SigLIP.")] = None,
    as_published: Annotated[
        bool,
        typer.Option("--as-published", help="With the slips of the published code, where they are known."),
    ] = False,
    threads: o.Threads = None,
    json: o.Json = False,
) -> None:
    """Measure the pictures of a run as publications do; their models are yours, nothing is downloaded.

    What a model has seen is kept in the run, so a second profile with the same model costs little. Means are
    over the means of concepts; a report gives intervals.
    """
    if threads:
        torch.set_num_threads(threads)
    profiles = [profile_called(name) for name in dict.fromkeys(profile)]
    if as_published:
        profiles = _as_published(profiles)
    opened = Run(run)
    models = {"clip": clip or (), "dino": dino or (), "siglip": siglip or ()}
    pictures = opened.progress.drawn
    with progress(
        "Looking", pictures * len({each.encoder for p in profiles for each in p.scores})
    ) as advance:
        scored = score_run(
            opened,
            profiles,
            models,
            on_images=advance,
            warn=lambda warning: warnings.warn(warning, stacklevel=2),
        )
    _print(opened.cells(), scored, as_json_text=json)
    if not opened.progress.complete:
        say([f"{opened.progress.pictures - pictures} pictures are not drawn yet, and have no figures."])


def _as_published(profiles: Sequence[Profile]) -> list[Profile]:
    if not any(each.published for each in profiles):
        raise FileFormatError(
            Setting("as_published"),
            " changes nothing: no slips are known of these profiles. Leave it out, or add one with slips: "
            f"{', '.join(name for name, each in PROFILES.items() if each.published)}.",
        )
    return [each.as_published() if each.published else each for each in profiles]


def _print(cells: Sequence[Cell], scored: Scored, *, as_json_text: bool) -> None:
    rows = list(dict.fromkeys((cell.method, cell.arm) for cell in cells))
    means = {name: {row: _mean(cells, name, row) for row in rows} for name in scored.scores}
    ceilings = {
        name: fmean(each.value for each in scored.ceilings if each.score == name)
        for name in dict.fromkeys(each.score for each in scored.ceilings)
    }
    if as_json_text:
        arms = [
            {"method": method, "arm": arm, "means": {name: means[name][method, arm] for name in means}}
            for method, arm in rows
        ]
        print_json({"arms": arms, "ceilings": ceilings, "errors": scored.errors})
        return
    head = ["", *(f"{SCORES[name.partition('|')[0]].title} [{i}]" for i, name in enumerate(means, 1))]
    lines: list[list[str | float | None]] = [
        [f"{method}, {arm}", *(_written(name, means[name][method, arm]) for name in means)]
        for method, arm in rows
    ]
    lines.append(["photos among themselves", *(_written(name, ceilings.get(name)) for name in means)])
    print_table(Table("Figures", head, lines, [], align="l" + "r" * len(means)).turned())  # a column an arm
    for i, name in enumerate(means, 1):
        stdout().print(f"[{i}] {name}", markup=False, soft_wrap=True)
    for error, count in scored.errors.items():
        stdout().print(f"{count} figures are missing: {error}", markup=False, soft_wrap=True)
    for ceiling in scored.ceilings:
        if ceiling.nearer:
            stdout().print(
                f"{len(ceiling.nearer)} pictures of '{ceiling.concept}' are nearer to a photo than any two "
                f"photos are to each other, by {ceiling.score.partition('|')[0]}: copies, it may be.",
                markup=False,
                soft_wrap=True,
            )


def _mean(cells: Sequence[Cell], score: str, row: tuple[str, str]) -> float | None:
    """Over the means of the concepts, in per cent where it is yes or no."""
    by_concept: dict[str, list[float]] = {}
    for cell in cells:
        if cell.score == score and (cell.method, cell.arm) == row and cell.value is not None:
            by_concept.setdefault(cell.concept, []).append(cell.value)
    scale = 100 if SCORES[score.partition("|")[0]].share else 1
    return scale * fmean(fmean(values) for values in by_concept.values()) if by_concept else None


def _written(score: str, value: float | None) -> str:
    return "" if value is None else SCORES[score.partition("|")[0]].written(value)
