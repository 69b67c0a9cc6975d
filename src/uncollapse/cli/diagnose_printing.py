"""What ``diagnose`` prints of a file, several files or a model; and that it writes the report."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ..comparison.summary import sentence
from ..diagnosis.diagnose import Diagnosis
from ..diagnosis.report import save_diagnosis
from ..diagnosis.results import as_json
from ..diagnosis.verdict import token_verdict
from .console import print_json, stdout


def show_diagnoses(found: list[Diagnosis], output: Path, *, as_json_text: bool) -> None:
    """Write report, figures and results; print them for people, or the results for scripts."""
    files = save_diagnosis(found, output)
    if as_json_text:
        print_json(
            {
                "diagnoses": [as_json(each) for each in found],
                "files": {name: str(path) for name, path in files.items()},
            }
        )
        return
    out = stdout()
    if len(found) == 1:
        _print(found[0])
    else:
        out.print(_overview(found))
    for name, path in files.items():
        out.print(f"{name:10} {path}", markup=False, soft_wrap=True)


def _print(d: Diagnosis) -> None:
    out = stdout()
    out.print(f"[bold]{escape(d.placeholder)}[/bold], anchor {escape(d.anchor)}: ", end="")
    out.print(f"[bold]{d.verdict.word}[/bold]" if d.verdict else "no verdict")
    for reason in d.verdict.reasons if d.verdict else ():
        out.print(f"- {reason}", markup=False)
    if d.verdict and d.verdict.advice:
        a = d.verdict.advice
        out.print(f"Try α {a.alpha:g}, β {a.beta:g}, anchor '{a.anchor}'. {a.expect}", markup=False)
    if d.pictures:
        out.print(f"Pictures: {sentence(d.pictures.comparison)}", markup=False)
    for note in d.notes:
        out.print(note, style="dim", markup=False)
    if d.tokens:
        out.print(_token_table(d))
    out.print()


def _token_table(d: Diagnosis) -> Table:
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    grid.add_column("encoder")
    for name in ("vector", "× anchor's norm", "percentile", "angle", "cosine"):
        grid.add_column(name, justify="right")
    grid.add_column("nearest words", overflow="fold")
    grid.add_column("adjusted", overflow="fold")
    for row in d.tokens:
        near = [", ".join(word for word, _ in each.nearest[:3]) for each in (row.before, row.after)]
        percentile = f"{row.before.norm_percentile:.0f}"
        numbers = (f"{row.norm_ratio:.2f}", percentile, f"{row.angle:.2f}", f"{row.cosine:.2f}")
        grid.add_row(row.before.encoder, str(row.before.row), *numbers, *map(escape, near))
    return grid


def _overview(found: list[Diagnosis]) -> Table:
    """A line a file."""
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("file", "placeholder", "anchor", "verdict"):
        grid.add_column(name, overflow="fold")
    for name in ("vectors", "× anchor's norm", "lowest cosine"):
        grid.add_column(name, justify="right")
    for d in found:
        verdict = d.verdict or token_verdict(d.tokens, d.anchor)
        longest, lowest = max(row.norm_ratio for row in d.tokens), min(row.cosine for row in d.tokens)
        numbers = (str(len(d.tokens)), f"{longest:.2f}", f"{lowest:.2f}")
        names = map(escape, (Path(d.subject).name, d.placeholder, d.anchor))
        grid.add_row(*names, verdict.word, *numbers)
    return grid
