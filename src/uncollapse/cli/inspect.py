"""``uncollapse inspect``: what is in embedding files, and how far it has drifted from the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..errors import FileFormatError, ForeignFileError, UncollapseWarning
from ..learned_embeds import LearnedEmbedding, read_all
from ..learned_embeds.reading import files_in
from ..reports.table import Cell, Table
from ..subjects import located
from ..vocabulary.inspection import LONG, InspectedRow, placed
from ..vocabulary.inspection import inspect as inspect_embeddings
from ..vocabulary.tables import Vocabulary, load_vocabularies, vocabularies_for
from . import options as o
from .console import command, print_json, say, stdout
from .folders import INCOMPLETE, is_plain_picture, summary
from .tables import print_table

LONGEST, LONGEST_NAME = 80, 20  # characters of a metadata value, of a placeholder, that are shown
SHOWN = 6  # vectors of a file


@dataclass(frozen=True)
class Inspected:
    """One embedding of a file, and its vectors."""

    file: Path
    embedding: LearnedEmbedding
    rows: list[InspectedRow]

    @property
    def place(self) -> str | None:
        """Drifted or in place, by the nearest words; None without a vocabulary."""
        known = [
            (row.norm_percentile, row.nearest[0][1], row.chance)
            for row in self.rows
            if row.norm_percentile is not None and row.chance is not None
        ]
        return placed(known) if known else None


@command
def inspect(
    files: Annotated[list[Path], typer.Argument(help="Embedding files, or folders of them.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar=o.WORDS,
            help="Pipeline or text-encoder folder, single file or a miniature's name; repeat for one an "
            "encoder.",
        ),
    ] = None,
    tokenizer: o.Tokenizer = None,
    words: Annotated[int, typer.Option(min=1, help="How many nearest words.")] = 3,
    json: o.Json = False,
) -> None:
    """Show what embedding files hold: vectors, norms, nearest words, where they come from.

    Norms and words are measured against --model; without one there are neither ratios nor words. Of a folder
    each embedding is a row; files without one are passed over with a warning, and exit code 1 says that one
    could not be read.
    """
    vocabularies = load_vocabularies([located(each)[0] for each in model], tokenizer or ()) if model else {}
    found, passed = _read(files, vocabularies)
    rows = inspect_embeddings([embedding for _, embedding in found], vocabularies, words)
    inspected = [Inspected(*each, its_rows) for each, its_rows in zip(found, rows, strict=True)]
    alone = len(files) == 1 and not files[0].is_dir()
    if json:
        print_json([_as_json(each) for each in inspected])
    elif alone:
        for each in inspected:
            _print(each)
    else:
        print_table(_overview(inspected, files))
    foreign = {file: isinstance(error, ForeignFileError) for file, error in passed.items()}
    named = [file for file in passed if not is_plain_picture(file, foreign[file])]
    say(UncollapseWarning(*passed[file].parts) for file in named)
    if not json and not alone:
        became = [each.place or "read" for each in inspected]
        became += ["foreign" if foreign[file] else "failed" for file in named]
        stdout().print(summary(became, len(passed) - len(named)), soft_wrap=True)
    if not all(foreign.values()):
        raise typer.Exit(INCOMPLETE)


def _read(
    paths: Sequence[Path], vocabularies: dict[str, Vocabulary]
) -> tuple[list[tuple[Path, LearnedEmbedding]], dict[Path, FileFormatError]]:
    """The embeddings of all files, and why files of folders were passed over."""
    found: list[tuple[Path, LearnedEmbedding]] = []
    passed: dict[Path, FileFormatError] = {}
    for path in paths:
        if not path.is_dir():
            found += _read_file(path, vocabularies)
            continue
        before = len(found)
        for file in files_in(path):
            try:
                found += _read_file(file, vocabularies)
            except FileFormatError as error:
                passed[file] = error
        if len(found) == before:
            say(UncollapseWarning(*error.parts) for error in passed.values())
            raise FileFormatError(f"{path}: a folder without an embedding file. Give one that holds some.")
    return found, passed


def _read_file(file: Path, vocabularies: dict[str, Vocabulary]) -> list[tuple[Path, LearnedEmbedding]]:
    embeddings = read_all(file)
    try:
        for each in embeddings if vocabularies else []:
            vocabularies_for(each, vocabularies)
    except FileFormatError as error:
        raise type(error)(f"{file}: ", *error.parts) from error
    return [(file, each) for each in embeddings]


def _as_json(each: Inspected) -> dict[str, Any]:
    return {
        "file": str(each.file),
        "placeholder": each.embedding.placeholder,
        "layout": each.embedding.layout,
        "metadata": dict(each.embedding.metadata),
        "place": each.place,
        "vectors": [asdict(row) for row in each.rows],
    }


def _overview(inspected: list[Inspected], paths: Sequence[Path]) -> Table:
    """A row an embedding: its longest vector, and the one that is farthest from any word."""
    head = ["file", "placeholder", "vectors"]
    names: list[list[Cell]] = []
    for each in inspected:
        file = each.file.relative_to(paths[0]) if len(paths) == 1 else each.file
        names.append([str(file), _short(each.embedding.placeholder), len(each.rows)])
    if not any(each.place for each in inspected):
        norms = [max(row.norm for row in each.rows) for each in inspected]
        rows = [[*known, norm] for known, norm in zip(names, norms, strict=True)]
        return Table("Embeddings", [*head, "norm"], rows, align="llrr")
    rows = []
    for each, known in zip(inspected, names, strict=True):
        ratio = max(row.norm_ratio or 0 for row in each.rows)
        cosine = min(row.nearest[0][1] for row in each.rows)
        rows.append([*known, ratio, cosine, each.place])
    return Table("Embeddings", [*head, "× median", "cosine", "place"], rows, align="llrrrl")


def _short(name: str, longest: int = LONGEST_NAME) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _print(each: Inspected) -> None:
    out = stdout()
    shapes = ", ".join(f"{name} {list(rows.shape)}" for name, rows in each.embedding.vectors.items())
    out.print(f"[bold]{escape(str(each.file))}[/bold]", soft_wrap=True)
    name = _short(each.embedding.placeholder, LONGEST)
    out.print(f"{name}  {each.embedding.layout}  {shapes}", markup=False, soft_wrap=True)
    for key, value in sorted(each.embedding.metadata.items()):
        shown = value if len(value) <= LONGEST else f"{value[:LONGEST]}… ({len(value)} characters)"
        out.print(f"{key}: {shown}", style="dim", markup=False, soft_wrap=True)
    if each.place:
        out.print(f"[bold]{each.place}[/bold]: {_why(each.rows)}")
    told = _telling(each.rows)
    print_table(_table(told))
    if len(told) < len(each.rows):
        norms = [row.norm for row in each.rows]
        span = f"{len(norms)} vectors, norms {min(norms):.3f}–{max(norms):.3f}"
        out.print(f"{span}; shown are the {len(told)} most telling, --json has all.", style="dim")


def _why(rows: list[InspectedRow]) -> str:
    long = sum((row.norm_percentile or 0) >= LONG for row in rows)
    astray = sum(row.nearest[0][1] <= (row.chance or 0) for row in rows)
    chances = " and ".join(sorted({f"{row.chance:.2f}" for row in rows}))
    return (
        f"{long} of {len(rows)} vector{'s' * (len(rows) > 1)} longer than {LONG} % of all words, {astray} no "
        f"nearer to any word than chance (cosine {chances})."
    )


def _telling(rows: list[InspectedRow]) -> list[InspectedRow]:
    """The longest, and those that are farthest from any word; of few vectors all."""
    longest = sorted(range(len(rows)), key=lambda i: -(rows[i].norm_ratio or rows[i].norm))
    astray = sorted(longest, key=lambda i: rows[i].nearest[0][1] if rows[i].nearest else 0)
    picked = dict.fromkeys(i for pair in zip(longest, astray, strict=True) for i in pair)
    return [rows[i] for i in sorted(list(picked)[:SHOWN])]


def _table(rows: list[InspectedRow]) -> Table:
    """A row a vector; of one encoder it is not said which, without a vocabulary there is only the norm."""
    table = Table(
        "Vectors",
        ["encoder", "vector", "norm", "× median", "percentile", "nearest words"],
        [_cells(row) for row in rows],
        align="lrrrrl",
    )
    known = table.head if any(row.nearest for row in rows) else table.head[:3]
    several = len({row.encoder for row in rows}) > 1
    return table.columns({name: name for name in known if several or name != "encoder"})


def _cells(row: InspectedRow) -> list[Cell]:
    known: list[Cell] = [row.encoder, row.row, f"{row.norm:.3f}"]
    if row.norm_ratio is None or row.norm_percentile is None:
        return [*known, "", "", ""]
    words = ", ".join(f"{word} {cosine:.2f}" for word, cosine in row.nearest)
    return [*known, f"{row.norm_ratio:.2f}", f"{row.norm_percentile:.0f}", words]
