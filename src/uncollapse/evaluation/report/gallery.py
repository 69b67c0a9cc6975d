"""The pictures, prompt and seed by prompt and seed, all arms side by side: looked at, not only counted.

The page holds what is known of each picture as data and builds a few rows at a time as they are scrolled to,
so that 10,000 pictures cost no more than they weigh. Small copies stand in the page itself, which then is one
file that can be sent; of more than 1,000 pictures they lie in a folder beside it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...output import write_atomically
from ..cells import Cell
from ..embedded import address, as_data, small
from ..identities import declared_score
from ..statistics import Sheet
from .findings import Findings

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["gallery"]

TEMPLATE = Path(__file__).parent / "gallery.html.j2"
IN_PAGE = 1000  # pictures, up to which they stand in it
SIDE = 160  # pixels at most

Key = tuple[str, str, str, int]


def gallery(
    found: Findings, pictures: Path, page: Path, advance: Callable[[int], None] = lambda count: None
) -> tuple[Markup, int]:
    """The gallery as markup, and how many pictures could not be read.

    Args:
        found: what is shown.
        pictures: the folder that the cells' pictures are relative to.
        page: where the report will be; small copies go into a folder beside it.
        advance: is told how many pictures were done.

    Raises: OutputError.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    thumbnails = Thumbnails(found, pictures, page, advance)
    data = as_data(_data(found, thumbnails))
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    markup = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(data=data)
    return Markup(markup), thumbnails.unreadable


class Thumbnails:
    """Small copies of pictures, each made once: ``data:`` addresses, or files beside the page."""

    def __init__(self, found: Findings, pictures: Path, page: Path, advance: Callable[[int], None]) -> None:
        self.pictures, self.page, self.advance = pictures, page, advance
        self.in_page = len({cell.picture for cell in found.cells if cell.picture}) <= IN_PAGE
        self.made: dict[str, str | None] = {}
        self.unreadable = 0

    def of(self, picture: str) -> str | None:
        """The address of a small copy; None where the picture cannot be read."""
        if picture not in self.made:
            self.made[picture] = self._make(picture)
            self.advance(1)
        return self.made[picture]

    def whole(self, picture: str) -> str:
        """The address of the picture itself, as the page sees it."""
        return Path(os.path.relpath(self.pictures / picture, self.page.parent)).as_posix()

    def _make(self, picture: str) -> str | None:
        copy = small(self.pictures / picture, SIDE)
        if copy is None:
            self.unreadable += 1
            return None
        if self.in_page:
            return address(copy)
        digest = hashlib.sha256(copy).hexdigest()[:24]
        name = f"{digest[:2]}/{digest}.webp"  # no folder of thousands
        folder = self.page.parent / f"{self.page.stem}_pictures"
        if not (folder / name).exists():
            write_atomically(folder / name, lambda scratch: scratch.write_bytes(copy))
        return f"{folder.name}/{name}"


def _data(found: Findings, thumbnails: Thumbnails) -> dict[str, Any]:
    """All that the page's script is given."""
    scores, arms = found.scores, found.arms
    rows: dict[Key, dict[str, dict[str, Cell]]] = {}
    for cell in found.cells:
        key = (cell.concept, cell.method, cell.prompt, cell.seed)
        rows.setdefault(key, {}).setdefault(cell.arm, {})[cell.score] = cell
    sheets = {(sheet.score, sheet.method): sheet for sheet in found.sheets}
    known = [declared_score(score) for score in scores]
    return {
        "arms": arms,
        "baseline": found.baseline,
        "scores": [
            {
                "title": each.title,
                "identity": score,
                "decimals": each.decimals,
                "unit": "%" if each.share else "",
            }
            for score, each in zip(scores, known, strict=True)
        ],
        "rows": [
            {
                "concept": key[0],
                "method": key[1],
                "prompt": key[2].replace("{}", key[0]),
                "seed": key[3],
                "pictures": [_picture(found, sheets, key, by_arm.get(arm), arm, thumbnails) for arm in arms],
                "gains": [_worst(found, sheets.get((score, key[1])), key) for score in scores],
            }
            for key, by_arm in rows.items()
        ],
    }


def _picture(
    found: Findings,
    sheets: dict[tuple[str, str], Sheet],
    key: Key,
    cells: dict[str, Cell] | None,
    arm: str,
    thumbnails: Thumbnails,
) -> dict[str, Any] | None:
    """What is known of one picture; None where the method has no such arm here."""
    if cells is None:
        return None
    picture = next((cell.picture for cell in cells.values() if cell.picture), "")
    place = (key[0], key[2], key[3])
    values = [
        sheets[score, key[1]].figures.get(arm, {}).get(place) if (score, key[1]) in sheets else None
        for score in found.scores
    ]
    shown = {"small": thumbnails.of(picture), "whole": thumbnails.whole(picture)} if picture else {}
    return {"values": values, **shown}


def _worst(found: Findings, sheet: Sheet | None, key: Key) -> float | None:
    """What the arm that does worst gains here over the baseline; None where nothing can be compared."""
    if sheet is None:
        return None
    place = (key[0], key[2], key[3])
    before = sheet.of(found.baseline).get(place)
    after = [values.get(place) for arm, values in sheet.figures.items() if arm != found.baseline]
    known = [each for each in after if each is not None]
    if before is None or not known:
        return None
    up = 1 if declared_score(sheet.score).higher_is_better else -1
    return min(up * (each - before) for each in known)
