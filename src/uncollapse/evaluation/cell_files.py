"""Cells as a file of JSON lines, an object a line with the fields of a cell; their pictures lie beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path, PurePosixPath
from typing import Any

from ..admission import json_from
from ..errors import FileFormatError
from .cells import Cell
from .store import keep_rows

__all__ = ["JUDGED", "NAME", "SUFFIX", "cells_at", "read_cells", "write_cells"]

NAME = "cells.jsonl"
JUDGED, SUFFIX = "judge", ".cells.jsonl"  # the folder of judges within a run's, and how their cells end
TEXTS = ("concept", "method", "arm", "prompt", "score")


def write_cells(cells: Iterable[Cell], path: Path) -> Path:
    """Write cells, a line each.

    Raises: OutputError.
    """
    return keep_rows(map(asdict, cells), path)


def cells_at(path: Path) -> tuple[list[Cell], Path]:
    """The cells of a file, or of a run's folder with those of its judges, and where their pictures are.

    Returns: the cells, and the folder that pictures are relative to.

    Raises: FileFormatError.
    """
    if not path.is_dir():
        return read_cells(path), path.parent
    judged = sorted((path / JUDGED).glob(f"*{SUFFIX}"))
    return [cell for file in (path / NAME, *judged) for cell in read_cells(file)], path


def read_cells(path: Path) -> list[Cell]:
    """The cells of a file.

    Raises: FileFormatError, which says the line: for what is no cell, and for a picture outside the file's
        folder.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise FileFormatError(
            f"'{path}' cannot be read as cells: {reason}. Give a run's folder, or a file of JSON lines, a "
            "cell each."
        ) from error
    cells = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                cells.append(_cell(json_from(line)))
            except ValueError as error:
                raise FileFormatError(
                    f"'{path}', line {number}, is no cell: {error}. A line is an object with "
                    f"{', '.join(each.name for each in fields(Cell))}."
                ) from error
    return cells


def _cell(given: Any) -> Cell:
    """Raises: ValueError."""
    if not isinstance(given, dict):
        raise ValueError("it is no object")
    known = {each.name for each in fields(Cell)}
    if more := given.keys() - known:
        raise ValueError(f"a cell has no {sorted(more)[0]}")
    if lacks := known - {"picture"} - given.keys():
        raise ValueError(f"it has no {sorted(lacks)[0]}")
    for name in TEXTS:
        if not isinstance(given[name], str):
            raise ValueError(f"{name} is no text")
    seed, value, picture = given["seed"], given["value"], given.get("picture", "")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError("seed is no whole number")
    if not (value is None or isinstance(value, int | float)) or value != value:
        raise ValueError("value is neither a number nor null")
    if not isinstance(picture, str) or PurePosixPath(picture).is_absolute() or ".." in Path(picture).parts:
        raise ValueError("picture does not name a file within this folder")
    return Cell(**given | {"value": None if value is None else float(value)})
