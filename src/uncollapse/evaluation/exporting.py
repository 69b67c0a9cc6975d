"""Pictures of a run with their figures for other programs, in a new folder or file of their layout.

    imagefolder     pictures, and metadata.jsonl with what each was asked for and its figures
    webdataset      a tar, of each picture .png and .json
    dreambench++    src_image, text and tgt_image, as DreamBench++'s judge reads them

No paths of this machine are written.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import FileFormatError, OutputError, Setting
from ..output import plain
from .digests import digest
from .plan import Row
from .run import Run
from .store import keep_file, keep_rows

__all__ = ["EXPORTS", "export"]


def export(run: Run, layout: str, output: Path) -> Path:
    """Write what is drawn, and its figures, in a layout of others.

    Args:
        run: whose pictures.
        layout: one of ``EXPORTS``.
        output: a folder, or a file for "webdataset"; it must not be there.

    Raises: FileFormatError, for a layout that there is not, or where nothing is drawn; OutputError.
    """
    if layout not in EXPORTS:
        raise FileFormatError(f"There is no layout '{layout}', only {', '.join(EXPORTS)}.")
    if output.exists():
        raise OutputError(f"'{output}' is there already. Give a new one with ", Setting("output"), ".")
    if not run.pictures():
        raise FileFormatError(f"Nothing is drawn in '{run.folder}'. Begin with: uncollapse evaluate draw")
    EXPORTS[layout](run, output)
    return output


def _each(run: Run) -> Iterator[tuple[Row, str, dict[str, Any]]]:
    """A row, its picture, and all that is known of it."""
    pictures = run.pictures()
    scores: dict[tuple[str, ...], dict[str, float | None]] = {}
    for cell in run.cells():
        key = (cell.concept, cell.method, cell.arm, cell.prompt, str(cell.seed))
        scores.setdefault(key, {})[cell.score] = cell.value
    texts = {job.id: job.text for job in run.plan.jobs.values()}
    for row in run.plan.rows:
        if row.job in pictures:
            key = (row.concept, row.method, row.arm, row.prompt, str(row.seed))
            yield (
                row,
                pictures[row.job],
                {**asdict(row), "text": texts[row.job], "scores": scores.get(key, {})},
            )


def _imagefolder(run: Run, output: Path) -> None:
    rows = []
    for _, picture, known in _each(run):
        name = Path(picture).name
        if not (output / name).exists():
            keep_file((run.folder / picture).read_bytes(), output / name)
        rows.append({"file_name": name, **known})
    keep_rows(rows, output / "metadata.jsonl")


def _webdataset(run: Run, output: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for row, picture, known in _each(run):
            key = digest(asdict(row))[:16]
            text = json.dumps(plain(known), ensure_ascii=False).encode()
            for suffix, data in (
                (Path(picture).suffix, (run.folder / picture).read_bytes()),
                (".json", text),
            ):
                entry = tarfile.TarInfo(f"{key}{suffix}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    keep_file(made.getvalue(), output)


def _dreambench(run: Run, output: Path) -> None:
    """A folder an arm: its authors' script judges one at a time."""
    numbers = {
        (concept.name, prompt.asked): (number, prompt.full, concept.one_photo)
        for concept in run.plan.suite.concepts
        for number, prompt in enumerate(concept.prompts)
    }
    for row, picture, _ in _each(run):
        number, full, photo = numbers[row.concept, row.prompt]
        folder = output / f"{row.method}, {row.arm}".replace("/", "-")
        name = f"{number}_{row.seed}"
        if photo is not None:
            keep_file(photo.read_bytes(), folder / "src_image" / row.concept / f"{name}{photo.suffix}")
        keep_file(full.encode(), folder / "text" / row.concept / f"{name}.txt")
        file = folder / "tgt_image" / row.concept / f"{name}{Path(picture).suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.folder / picture, file)


EXPORTS: dict[str, Callable[[Run, Path], None]] = {
    "imagefolder": _imagefolder,
    "webdataset": _webdataset,
    "dreambench++": _dreambench,
}
"""How each is written."""
