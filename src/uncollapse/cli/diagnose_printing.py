"""What ``diagnose`` prints of a file, several files or a model; and that it writes the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from ..comparison.summary import sentence
from ..diagnosis.diagnose import Diagnosis
from ..diagnosis.report import proposal, save_diagnosis
from ..diagnosis.results import as_json
from ..diagnosis.tables import learned_vectors, overview
from ..reports.page import NextStep
from ..reports.table import Table
from .console import print_json, stdout
from .tables import print_files, print_table


def show_diagnoses(
    found: list[Diagnosis],
    output: Path,
    then: NextStep,
    *,
    skipped: Sequence[str] = (),
    as_json_text: bool,
) -> None:
    """Write report, figures and results; print them for people, or the results for scripts."""
    files = save_diagnosis(found, output, skipped=skipped, then=then)
    if as_json_text:
        print_json(
            {
                "diagnoses": [as_json(each) for each in found],
                "skipped": list(skipped),
                "files": {name: str(path) for name, path in files.items()},
            }
        )
        return
    if len(found) == 1:
        _print(found[0])
    else:
        print_table(_overview(found))
    print_files(files)
    print_next(then)


def print_next(then: NextStep) -> None:
    """What to run next, on a line that can be copied."""
    out = stdout()
    out.print()
    out.print(then.why, markup=False)
    out.print(then.command, markup=False, soft_wrap=True)


def _print(d: Diagnosis) -> None:
    out = stdout()
    out.print(f"[bold]{escape(d.placeholder)}[/bold], anchor {escape(d.anchor)}: ", end="")
    out.print(f"[bold]{d.verdict.word}[/bold]" if d.verdict else "no verdict")
    for reason in d.verdict.reasons if d.verdict else ():
        out.print(f"- {reason}", markup=False)
    if d.pictures:
        out.print(f"Pictures: {sentence(d.pictures.comparison)}", markup=False)
    if proposed := proposal(d):
        out.print(proposed, markup=False)
    for note in d.notes:
        out.print(note, style="dim", markup=False)
    if d.tokens:
        print_table(_vectors(d))
    out.print()


def _vectors(d: Diagnosis) -> Table:
    names = {
        "vector": "vector",
        "× anchor's": "× anchor's norm",
        "percentile": "percentile",
        "angle": "angle",
        "cosine": "cosine",
        "nearest words": "nearest words",
        "after adjusting": "adjusted",
    }
    return learned_vectors(d, words=3).columns(names)


def _overview(found: list[Diagnosis]) -> Table:
    names = {name: name for name in ("file", "verdict", "anchor")}
    names |= {"longest × anchor's norm": "× anchor's norm", "lowest cosine": "cosine"}
    return overview(found).columns(names)
