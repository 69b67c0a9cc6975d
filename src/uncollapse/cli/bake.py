"""``uncollapse bake`` and ``unbake``: the adjustment written into files, and taken out again.

What concerns LoRAs is in ``bake_lora``; the two kinds are told apart by the names in them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import typer

from .. import baking
from ..adjusters import Adjuster, ByRole
from ..adjustment import ALPHA, Adjustment
from ..admission import json_from, reason, text_from
from ..baking_folders import GIVEN, Outcome, bake_folder, files_to_bake, unbake_folder
from ..carrying import holds_lora
from ..errors import AdjustmentError, AnchorError, FileFormatError, Setting, UncollapseWarning
from ..learned_embeds.reading import SUFFIXES
from ..reports.table import Cell, Table
from ..subjects import located, suggested_anchor
from ..tuning import read_preset
from ..vocabulary.tables import load_vocabularies
from . import options as o
from .bake_lora import LoraOptions, bake_one_lora, unbake_one_lora
from .console import command, print_json, progress, say, stdout, stopped
from .folders import INCOMPLETE, is_plain_picture, summary
from .presets import check_no_strength
from .tables import print_table


@command
def bake(
    file: o.Baked,
    model: o.Words,
    output: o.OutputFile,
    placeholder: o.Placeholder = None,
    anchor: o.Anchor = None,
    anchors: o.Anchors = None,
    alpha: o.BakedAlpha = None,
    beta: o.Beta = None,
    norm_blend: o.NormBlend = None,
    preset: o.PresetFile = None,
    anyway: o.Anyway = False,
    rank: o.Rank = None,
    kohya: o.Kohya = False,
    tokenizer: o.Tokenizer = None,
    stack: o.Stack = False,
    device: o.Device = None,
    threads: o.Threads = None,
    overwrite: o.Overwrite = False,
    json: o.Json = False,
) -> None:
    """Write the adjustment into an embedding or LoRA file that every program loads as it is.

    The new file carries the old one; unbake gives it back. Of an embedding's model only the token table is
    read. Without --anchor the best suggestion is taken, where one is nearer than chance.

    A LoRA is fitted, on text alone, which takes minutes; what is printed says how much of the adjustment
    the file carries.

    Of a folder the embeddings that have drifted are baked, under their own names; the same command goes on
    where one was stopped, and exit code 1 says that single files could not be baked.
    """
    of_loras = {
        "placeholder": placeholder,
        "rank": rank,
        "kohya": kohya,
        "device": device,
        "threads": threads,
    }
    if holds_lora(file):
        _check_unused(file, "a LoRA", {"anchors": anchors, "tokenizer": tokenizer, "stack": stack})
        strength = (alpha, o.norm_rule(beta, norm_blend) if alpha is not None else beta, norm_blend)
        bake_one_lora(
            file,
            model,
            output,
            LoraOptions(placeholder, anchor, strength, preset, anyway, rank, kohya, device, threads),
            overwrite=overwrite,
            json=json,
        )
        return
    _check_unused(file, "no LoRA", of_loras | {"anyway": anyway})
    given = (alpha, beta, norm_blend)
    if isinstance(alpha, ByRole):
        raise AdjustmentError(
            Setting("alpha"),
            f" {alpha} is by role, and all vectors of an embedding are the concept's own. Give one number.",
        )
    adjuster: Adjuster = Adjustment(
        ALPHA if alpha is None else alpha, o.norm_rule(beta, norm_blend), norm_blend
    )
    if preset:
        adjuster, anchor = _of_preset(preset, given, anchor)
    of_folder = _is_of_folder(file, output)
    if not of_folder:
        file = baking.one_file(file)
        baking.check_baked_output(output, overwrite)
        if anchors is not None:
            raise AnchorError(
                Setting("anchors"),
                f" is for folders, and {file} is baked to one file. Say what it is with ",
                Setting("anchor"),
                ".",
            )
    named = _anchors_in(anchors)
    vocabularies = load_vocabularies([located(each)[0] for each in model], tokenizer or ())
    if of_folder:
        outcomes = bake_folder(
            file, output, vocabularies, anchor, adjuster, anchors=named, overwrite=overwrite, stack=stack
        )
        _go_through(outcomes, "Baking", file, output, json)
        return
    if anchor is None:
        anchor, notes = suggested_anchor(file, vocabularies, by_chance=False)
        say(notes)
    rows = baking.bake(file, output, vocabularies, anchor, adjuster, overwrite=overwrite, stack=stack)
    if json:
        print_json({"output": str(output), "anchor": anchor, "vectors": [asdict(row) for row in rows]})
        return
    print_table(_table(rows))
    stdout().print(output, markup=False, soft_wrap=True)


@command
def unbake(file: o.Baked, output: o.OutputFile, overwrite: o.Overwrite = False, json: o.Json = False) -> None:
    """Give back the file that was baked, byte for byte; of a folder, all that were.

    Of a LoRA every tensor is given back bit for bit, and the metadata.
    """
    if holds_lora(file):
        unbake_one_lora(file, output, overwrite=overwrite, json=json)
        return
    if _is_of_folder(file, output):
        _go_through(unbake_folder(file, output, overwrite=overwrite), "Unbaking", file, output, json)
        return
    written = baking.unbake(file, output, overwrite=overwrite)
    if json:
        print_json({"output": str(written)})
        return
    stdout().print(written, markup=False, soft_wrap=True)


def _check_unused(file: Path, what: str, options: Mapping[str, object]) -> None:
    """Raise AdjustmentError for an option that would change nothing of such a file."""
    for name in (name for name, value in options.items() if value):
        raise AdjustmentError(Setting(name), f" changes nothing here: {file} is {what}. Leave it out.")


def _of_preset(preset: Path, asked: Sequence[object], anchor: str | None) -> tuple[Adjuster, str]:
    """What a preset does to learned vectors, and toward which anchor.

    Raises: AdjustmentError, for one that changes none, or beside settings of one's own.
    """
    check_no_strength(asked)
    chosen = read_preset(preset)
    if chosen.adjuster is None or "token" not in chosen.adjuster.levels:
        raise AdjustmentError(
            f"{preset}: '{chosen.arm.name}' changes no learned vector, so no embedding file can carry it. "
            "Draw with it: uncollapse generate … --preset."
        )
    return chosen.adjuster, anchor or chosen.concept.anchor


def _is_of_folder(file: Path, output: Path) -> bool:
    """Whether many files are meant: a folder with one concept in it goes to a file, any other to a folder."""
    return file.is_dir() and output.suffix.lower() not in SUFFIXES


def _anchors_in(file: Path | None) -> Mapping[str, str]:
    if file is None:
        return {}
    try:
        found = json_from(text_from(file))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{file}: cannot be read as JSON: {reason(error)}") from error
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise FileFormatError(f'{file}: is no list of anchors. Write {{"pets/tom.pt": "cat"}}.')
    return found


def _go_through(outcomes: Iterator[Outcome], what: str, source: Path, output: Path, json: bool) -> None:
    """Let it happen, tell what became of each file, and say by the exit code whether all went well."""
    found: list[Outcome] = []
    count = len(files_to_bake(source, output))
    done = False
    with progress(what, count) as advance:
        try:
            for outcome in outcomes:
                found.append(outcome)
                advance(1)
            done = True
        except KeyboardInterrupt:
            pass
    told = [each for each in found if not is_plain_picture(each.file, each.word == "foreign")]
    if json:
        print_json({"output": str(output), "files": [_as_json(each) for each in found]})
    elif told:
        print_table(_overview(told, source))
    say(note for each in told for note in each.notes)
    if unknown := sum(each.word == "no anchor" for each in found):
        say([_no_anchor(unknown)])
    if not json:
        stdout().print(summary((each.word for each in told), len(found) - len(told)), soft_wrap=True)
        stdout().print(output, markup=False, soft_wrap=True)
    if not done:
        raise stopped(f"{len(found)} of {count} files are done", sys.argv[1:])
    if any(each.word in ("failed", "refused") for each in found):
        raise typer.Exit(INCOMPLETE)


def _no_anchor(count: int) -> UncollapseWarning:
    files = "1 file does not say what it is" if count == 1 else f"{count} files do not say what they are"
    return UncollapseWarning(
        f"{files}, and no word is nearer than chance. Say it for all with ",
        Setting("anchor"),
        ", or for each with ",
        Setting("anchors"),
        ".",
    )


def _overview(found: list[Outcome], source: Path) -> Table:
    """A row a file: the norm of its longest vector, and the cosine of the one farthest from the anchor."""
    table = Table("Files", ["file", "outcome", "anchor", "norm", "cosine"], [], align="lllrr")
    rows: list[list[Cell]] = []
    for each in found:
        norm = max((row.norm_before for row in each.rows), default="")
        cosine = min((row.cosine_before for row in each.rows), default="")
        rows.append([each.file.relative_to(source).as_posix(), each.word, _said(each), norm, cosine])
    table = replace(table, rows=rows)
    return (
        table if any(each.anchor for each in found) else table.columns({"file": "file", "outcome": "outcome"})
    )


def _said(outcome: Outcome) -> str:
    """The anchor, and whose word it is, where it is not the user's."""
    if outcome.anchor is None or outcome.origin == GIVEN:
        return outcome.anchor or ""
    return f"{outcome.anchor}?" if outcome.word == "no anchor" else f"{outcome.anchor} ({outcome.origin})"


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "file": str(outcome.file),
        "outcome": outcome.word,
        "output": outcome.output and str(outcome.output),
        "anchor": outcome.anchor,
        "origin": outcome.origin,
        "vectors": [asdict(row) for row in outcome.rows],
        "notes": [str(note) for note in outcome.notes],
    }


def _table(rows: list[baking.BakedRow]) -> Table:
    head = ["placeholder", "encoder", "vector", "norm", "→", "cosine to anchor", "→"]
    cells = []
    for row in rows:
        figures = (row.norm_before, row.norm_after, row.cosine_before, row.cosine_after)
        cells.append([row.placeholder, row.encoder, row.row, *(f"{figure:.3f}" for figure in figures)])
    return Table("Baked vectors", head, cells, align="llrrrrr")
