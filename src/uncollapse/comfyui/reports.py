"""What a node says of what it did: as text on the node and at its output, and as a picture."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..adjusters import Role
from ..concept import Concept
from ..errors import UncollapseWarning
from ..geometry import norm, unit
from ..pipelines.encoded import Encoded
from ..reports.table import Table

__all__ = ["adjusted_as", "moved", "picture", "plain", "show", "warned"]

ROLES = {Role.CONCEPT: "concept", Role.CONTEXT: "other words", Role.REST: "rest"}
WIDTH, LINE, INDENT = 900, 26, 12  # pixels of a picture


@contextmanager
def warned() -> Iterator[list[str]]:
    """The warnings of this library within the block, as lines for a report."""
    lines: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UncollapseWarning)
        yield lines
    lines += [f"⚠ {each.message}" for each in caught if isinstance(each.message, UncollapseWarning)]


def adjusted_as(concept: Concept, level: str) -> str:
    """One line: what moves toward what, how, and at which level."""
    beta = getattr(concept.adjuster, "beta", None)
    norms = "norms kept" if beta is None else f"β {beta:g}"
    return f"{concept.placeholder} → {concept.anchor}: {concept.adjuster.label}, {norms}, {level} level"


def moved(encoded: Encoded, adjusted: Any) -> list[str]:
    """How the vectors of each role lie to their partners, before and after; means."""
    before, anchor, after = (tree[0][0] for tree in (encoded.result, encoded.anchor, adjusted))
    roles, owned = encoded.roles[0][0], encoded.owners[0][0] != 0
    rows = []
    for role, name in ROLES.items():
        mine = (roles == role) & owned
        if bool(mine.any()):
            own, to, new = (each[mine].float() for each in (before, anchor, after))
            cosines = [(unit(x) * unit(to)).sum(-1).mean().item() for x in (own, new)]
            norms = [norm(x).mean().item() for x in (own, new)]
            rows.append([name, len(own), *cosines, *norms])
    head = ["vectors of the", "number", "cosine to the anchor", "after", "norm", "after"]
    return plain(Table("", head, rows)).splitlines()


def plain(table: Table) -> str:
    """A table in letters of one width."""
    columns = [*zip(table.head, *table.texts, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if table.is_right(i) else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]
    return "\n".join([*([table.title] if table.title else []), *lines, *table.notes])


def show(text: str, node: str | None) -> None:
    """Write a text onto a node of the page that runs it, where there is one."""
    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if server is not None and node is not None:
        server.send_progress_text(text, node)


def picture(title: str, bars: Sequence[tuple[str, float, str]]) -> Tensor:
    """Bars with a text on either side, as ComfyUI's picture ``[1, height, width, 3]``.

    Args:
        bars: of each what stands before it, its length from 0 to 1, and what stands after it.
    """
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH, LINE * (len(bars) + 2)), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=15)

    def write(x: int, y: int, text: str) -> None:
        draw.text((x, y), text, fill="black", font=font)

    write(INDENT, LINE // 3, title)
    for i, (before, length, after) in enumerate(bars):
        top = LINE * (i + 1) + LINE // 2
        write(INDENT, top, before)
        draw.rectangle((200, top + 4, 200 + max(1, round(300 * length)), top + LINE - 8), fill="#00796b")
        write(515, top, after)
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return (pixels.view(1, image.height, image.width, 3) / 255).float()
