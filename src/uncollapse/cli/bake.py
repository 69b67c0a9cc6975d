"""``uncollapse bake`` and ``unbake``: the adjustment written into an embedding file, and taken out again."""

from __future__ import annotations

from dataclasses import asdict

from .. import baking
from ..adjustment import ALPHA, Adjustment
from ..reports.table import Table
from ..subjects import located, suggested_anchor
from ..vocabulary.tables import load_vocabularies
from . import options as o
from .console import command, print_json, say, stdout
from .tables import print_table


@command
def bake(
    file: o.File,
    model: o.Words,
    output: o.OutputFile,
    anchor: o.Anchor = None,
    alpha: o.Alpha = ALPHA,
    beta: o.Beta = None,
    norm_blend: o.NormBlend = None,
    tokenizer: o.Tokenizer = None,
    stack: o.Stack = False,
    overwrite: o.Overwrite = False,
    json: o.Json = False,
) -> None:
    """Write the adjustment into an embedding file that every program loads as it is.

    The new file carries the old one; unbake gives it back. Of the model only the token table is read.
    Without --anchor the best suggestion is taken, where one is nearer than chance.
    """
    adjustment = Adjustment(alpha, o.norm_rule(beta, norm_blend), norm_blend)
    baking.check_baked_output(output, overwrite)
    vocabularies = load_vocabularies([located(each)[0] for each in model], tokenizer or ())
    if anchor is None:
        anchor, notes = suggested_anchor(file, vocabularies, by_chance=False)
        say(notes)
    rows = baking.bake(file, output, vocabularies, anchor, adjustment, overwrite=overwrite, stack=stack)
    if json:
        print_json({"output": str(output), "anchor": anchor, "vectors": [asdict(row) for row in rows]})
        return
    print_table(_table(rows))
    stdout().print(output, markup=False, soft_wrap=True)


@command
def unbake(file: o.File, output: o.OutputFile, overwrite: o.Overwrite = False) -> None:
    """Give back the file that was baked, byte for byte."""
    stdout().print(baking.unbake(file, output, overwrite=overwrite), markup=False, soft_wrap=True)


def _table(rows: list[baking.BakedRow]) -> Table:
    head = ["placeholder", "encoder", "vector", "norm", "→", "cosine to anchor", "→"]
    cells = []
    for row in rows:
        figures = (row.norm_before, row.norm_after, row.cosine_before, row.cosine_after)
        cells.append([row.placeholder, row.encoder, row.row, *(f"{figure:.3f}" for figure in figures)])
    return Table("Baked vectors", head, cells, align="llrrrrr")
