"""A comparison's three files and what is printed of it; ``demo`` and ``generate --compare`` share it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count, product
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from ..admission import json_from, text_from
from ..comparison import Arm, Comparison, ContextPrompt
from ..comparison.summary import as_json, sentence, table
from ..output import plain, save_json, save_text
from ..reports.page import NextStep, save_image
from .console import print_json, progress, stdout
from .tables import print_files, print_table

if TYPE_CHECKING:
    from PIL.Image import Image


def save_comparison(
    comparison: Comparison,
    references: Sequence[Image],
    settings: Mapping[str, object],
    folder: Path,
    then: NextStep,
) -> dict[str, Path]:
    """Write contact sheet, report and results; returns where they are.

    Those of another run keep their names, and the new ones get a number.

    Args:
        then: what to run next.
    """
    from ..comparison.contact_sheet import contact_sheet
    from ..comparison.report import report

    sheet = contact_sheet(comparison, references)
    html = report(comparison, sheet, settings, then)
    data = as_json(comparison, run=dict(settings))
    files = free_files(folder, data)
    save_image(sheet, files["contact_sheet"])
    save_text(html, files["report"])
    save_json(data, files["results"])
    return files


def free_files(folder: Path, data: Mapping[str, Any]) -> dict[str, Path]:
    """Where the three go: under the first number that nobody has, or the same run.

    Args:
        data: the results.
    """
    return next(each for each in map(partial(_files, folder), count(1)) if _free(each, data))


def _files(folder: Path, number: int) -> dict[str, Path]:
    again = f"-{number}" if number > 1 else ""
    return {
        "contact_sheet": folder / f"contact_sheet{again}.png",
        "report": folder / f"report{again}.html",
        "results": folder / f"results{again}.json",
    }


def _free(files: Mapping[str, Path], data: Mapping[str, Any]) -> bool:
    """Whether there are none of these files, or they are those of the same run."""
    if not any(path.exists() for path in files.values()):
        return True
    try:
        before = json_from(text_from(files["results"]))
        return bool(_asked(before) == _asked(json_from(json.dumps(plain(data)))))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # somebody else's
        return False


def _asked(data: Mapping[str, Any]) -> list[Any]:
    """What was asked for, without what came out."""
    arms = [{**arm, "scores": sorted(arm["scores"])} for arm in data["arms"]]
    return [*(data[name] for name in ("concept", "settings", "seeds", "prompts", "run")), arms]


@contextmanager
def drawing(
    arms: Sequence[Arm], prompts: Sequence[ContextPrompt], seeds: Sequence[int]
) -> Iterator[Callable[[int], None]]:
    """The progress of a comparison, which says which arm and prompt is being drawn."""
    each = list(product(arms, prompts, seeds))

    def doing(done: int) -> str:
        if done >= len(each):
            return "measuring"
        arm, prompt, _ = each[done]
        return f"{arm.name}: {shorten(prompt.template.replace('{}', '…'), 30, placeholder=' …')}"

    with progress("Drawing", len(each), doing) as advance:
        yield advance


def print_comparison(comparison: Comparison, files: Mapping[str, Path], *, as_json_text: bool) -> None:
    """Table, sentence and file names for people; all of the results for scripts."""
    if as_json_text:
        print_json(as_json(comparison, files={name: str(path) for name, path in files.items()}))
        return
    out = stdout()
    if comparison.scores:
        measured = table(comparison)
        print_table(measured.turned())  # a column an arm: there are fewer arms than scores
        for note in measured.notes:
            out.print(note, style="dim", markup=False)
        out.print()
    out.print(sentence(comparison), markup=False)
    out.print()
    print_files(files, 14)
