"""``uncollapse evaluate import`` and ``export``: what comes from other programs, and what goes to them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import FileFormatError, OutputError, Setting
from ..evaluation import EXPORTS, Base, Run, pictures_of, published_cells
from ..evaluation import export as export_run
from ..evaluation import plan as make_plan
from ..evaluation.cell_files import write_cells
from ..output import check_writable
from . import options as o
from .console import command, say, stdout
from .evaluate_suites import Data, SuiteName, chosen_suite
from .typed import line


@command
def import_(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER", help="Of pictures, CONCEPT/PROMPT_SEED.png; one an arm."),
    ],
    output: o.Output,
    method: Annotated[str, typer.Option(help="How the concepts were taught, as tables call it.")],
    suite: SuiteName = None,
    data: Data = None,
    scores: Annotated[
        bool,
        typer.Option("--scores", help="FOLDER holds TEA's published tables; --output is a file of figures."),
    ] = False,
) -> None:
    """Take in pictures that others drew for a suite, to be scored; or scores that they published.

    Of several folders each is an arm, called as the folder. A prompt is named by its number from 0, or by its
    words.
    """
    check_writable(output.parent if scores else output)
    if scores:
        _import_scores(folders, output, method, suite or data)
        return
    chosen = chosen_suite(suite, data)
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise FileFormatError(
            f"Two folders are called '{max(names, key=names.count)}'. Rename one: it is an arm."
        )
    found = [
        pictures_of(folder, chosen, method, name if len(folders) > 1 else "")
        for folder, name in zip(folders, names, strict=True)
    ]
    seeds = sorted({seed for each in found for seed in each.seeds})
    run = Run(output, make_plan(chosen, Base(), [each.method for each in found], ["personalised"], seeds))
    progress = run.draw()
    say(chosen.notes)
    for each in found:
        if each.left:
            say([f"{len(each.left)} files belong to no prompt of the suite, such as '{each.left[0]}'."])
    stdout().print(f"{progress.drawn} of {progress.pictures} pictures were taken.", markup=False)
    for error, count in progress.errors.items():
        stdout().print(f"{count} are missing: {error}", markup=False, soft_wrap=True)
    say(["Next:", line("evaluate", "score", str(output), "--profile", "uncollapse")])


def _import_scores(folders: list[Path], output: Path, method: str, suite: object) -> None:
    if suite:
        raise FileFormatError(
            Setting("scores"), " needs no suite: the tables say their prompts. Leave it out."
        )
    if output.exists():
        raise OutputError(f"'{output}' is there already. Give a new file with ", Setting("output"), ".")
    cells = [cell for folder in folders for cell in published_cells(folder, method)]
    write_cells(cells, output)
    concepts, arms = {cell.concept for cell in cells}, {cell.arm for cell in cells}
    stdout().print(
        f"{len(cells)} figures of {len(concepts)} concepts in {len(arms)} arms: {output}",
        markup=False,
        soft_wrap=True,
    )


@command
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")],
    to: Annotated[str, typer.Option(help=f"As what: {', '.join(EXPORTS)}.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder, or file for webdataset.")],
) -> None:
    """Give out the pictures of a run with their figures, as other programs read them."""
    check_writable(output.parent)
    stdout().print(export_run(Run(run), to, output), markup=False, soft_wrap=True)
