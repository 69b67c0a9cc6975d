"""``uncollapse inspect``: what is in embedding files, and how far it has drifted from the vocabulary."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..errors import FileFormatError, UncollapseWarning
from ..learned_embeds import LearnedEmbedding, read_all
from ..learned_embeds.reading import SUFFIXES
from ..reports.table import Cell, Table
from ..subjects import located
from ..vocabulary.inspection import InspectedRow
from ..vocabulary.inspection import inspect as inspect_embeddings
from ..vocabulary.tables import Vocabulary, load_vocabularies, vocabularies_for
from . import options as o
from .console import command, print_json, stdout
from .tables import print_table

LONGEST = 80  # characters of a metadata value that are shown
MOST = 12  # vectors of a file that are listed one by one


@command
def inspect(
    files: Annotated[list[Path], typer.Argument(help="Embedding files, or folders of them.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar=o.WORDS,
            help="Pipeline or text-encoder folder, .safetensors file or a miniature's name; repeat for one "
            "an encoder.",
        ),
    ] = None,
    tokenizer: o.Tokenizer = None,
    words: Annotated[int, typer.Option(min=1, help="How many nearest words.")] = 3,
    json: o.Json = False,
) -> None:
    """Show what embedding files hold: vectors, norms, nearest words, where they come from.

    Norms and words are measured against --model; without one there are neither ratios nor words. In a folder,
    files that hold no embedding are passed over with a warning.
    """
    vocabularies = load_vocabularies([located(each)[0] for each in model], tokenizer or ()) if model else {}
    found = [each for path in files for each in _read(path, vocabularies)]
    rows = inspect_embeddings([embedding for _, embedding in found], vocabularies, words)
    inspected = [(*each, its_rows) for each, its_rows in zip(found, rows, strict=True)]
    if json:
        print_json([_as_json(*each) for each in inspected])
        return
    for each in inspected:
        _print(*each)


def _read(path: Path, vocabularies: dict[str, Vocabulary]) -> list[tuple[Path, LearnedEmbedding]]:
    if not path.is_dir():
        return _read_file(path, vocabularies)
    found: list[tuple[Path, LearnedEmbedding]] = []
    for file in sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES):
        try:
            found += _read_file(file, vocabularies)
        except FileFormatError as error:
            warnings.warn(UncollapseWarning(*error.parts), stacklevel=2)
    if not found:
        raise FileFormatError(f"{path}: a folder without an embedding file. Give one that holds some.")
    return found


def _read_file(file: Path, vocabularies: dict[str, Vocabulary]) -> list[tuple[Path, LearnedEmbedding]]:
    embeddings = read_all(file)
    try:
        for each in embeddings if vocabularies else []:
            vocabularies_for(each, vocabularies)
    except FileFormatError as error:
        raise FileFormatError(f"{file}: ", *error.parts) from error
    return [(file, each) for each in embeddings]


def _as_json(file: Path, embedding: LearnedEmbedding, rows: list[InspectedRow]) -> dict[str, Any]:
    return {
        "file": str(file),
        "placeholder": embedding.placeholder,
        "layout": embedding.layout,
        "metadata": dict(embedding.metadata),
        "vectors": [asdict(row) for row in rows],
    }


def _print(file: Path, embedding: LearnedEmbedding, rows: list[InspectedRow]) -> None:
    out = stdout()
    shapes = ", ".join(f"{name} {list(each.shape)}" for name, each in embedding.vectors.items())
    out.print(f"[bold]{escape(str(file))}[/bold]", soft_wrap=True)
    out.print(f"{embedding.placeholder}  {embedding.layout}  {shapes}", markup=False, soft_wrap=True)
    for key, value in embedding.metadata.items():
        shown = value if len(value) <= LONGEST else f"{value[:LONGEST]}… ({len(value)} characters)"
        out.print(f"{key}: {shown}", style="dim", markup=False, soft_wrap=True)
    if len(rows) <= MOST:
        print_table(_table(rows))
    else:
        print_table(_summed_up(rows))
        out.print(f"{len(rows)} vectors, from least to most; --json has each.", style="dim", markup=False)


def _table(rows: list[InspectedRow]) -> Table:
    """A row a vector; without a vocabulary, only its norm."""
    table = Table(
        "Vectors",
        ["encoder", "vector", "norm", "× median", "percentile", "nearest words"],
        [_cells(row) for row in rows],
        align="lrrrrl",
    )
    if any(row.nearest for row in rows):
        return table
    return table.columns({name: name for name in ("encoder", "vector", "norm")})


def _summed_up(rows: list[InspectedRow]) -> Table:
    """A row an encoder: how its vectors lie, and the words that are nearest to any of them."""
    cells: list[list[Cell]] = []
    for encoder in dict.fromkeys(row.encoder for row in rows):
        own = [row for row in rows if row.encoder == encoder]
        by_word = dict(sorted(_nearest(own), key=lambda each: each[1]))
        words = sorted(by_word, key=by_word.__getitem__, reverse=True)[: len(own[0].nearest)]
        cells.append(
            [
                encoder,
                len(own),
                _range([row.norm for row in own], 3),
                _range([row.norm_ratio for row in own], 2),
                _range([row.norm_percentile for row in own], 0),
                ", ".join(f"{word} {by_word[word]:.2f}" for word in words),
            ]
        )
    head = ["encoder", "vectors", "norm", "× median", "percentile", "nearest words"]
    table = Table("Vectors", head, cells, align="lrrrrl")
    return table if any(row.nearest for row in rows) else table.columns({name: name for name in head[:3]})


def _nearest(rows: list[InspectedRow]) -> list[tuple[str, float]]:
    return [each for row in rows for each in row.nearest]


def _range(values: Sequence[float | None], decimals: int) -> str:
    known = [value for value in values if value is not None]
    return f"{min(known):.{decimals}f}–{max(known):.{decimals}f}" if known else ""


def _cells(row: InspectedRow) -> list[Cell]:
    known: list[Cell] = [row.encoder, row.row, f"{row.norm:.3f}"]
    if row.norm_ratio is None or row.norm_percentile is None:
        return [*known, "", "", ""]
    words = ", ".join(f"{word} {cosine:.2f}" for word, cosine in row.nearest)
    return [*known, f"{row.norm_ratio:.2f}", f"{row.norm_percentile:.0f}", words]
