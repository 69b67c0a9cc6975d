"""Which suite is meant: the options that name one, shared by the commands that begin a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import FileFormatError, Setting
from ..evaluation.suites import LAYOUTS, Suite, bundled_suite, load
from . import options as o

__all__ = ["BUNDLED", "Concepts", "Data", "Split", "SuiteName", "chosen_suite"]

BUNDLED = "bundled"

Split = Annotated[
    str | None, typer.Option(help="Only one half of the concepts: dev, to choose on, or test, to report on.")
]
SuiteName = Annotated[
    str | None,
    typer.Option(
        help=f"{BUNDLED}, or the layout of --data, which else it is asked for: {', '.join(LAYOUTS)}."
    ),
]
Data = Annotated[Path | None, typer.Option(help="Folder of your copy of the suite.")]
Concepts = Annotated[
    list[str] | None,
    typer.Option("--concept", metavar=o.WORDS, help="Only this concept of the suite; repeat for several."),
]


def chosen_suite(
    name: str | None, data: Path | None, concepts: list[str] | None = None, split: str | None = None
) -> Suite:
    """The suite that somebody means.

    Raises: FileFormatError.
    """
    if name == BUNDLED:
        if data:
            raise FileFormatError(Setting("data"), f" is not for the {BUNDLED} suite. Leave one of them out.")
        suite = bundled_suite()
    elif data is None:
        if name in LAYOUTS:
            raise FileFormatError(
                "Give the folder of your copy with ", Setting("data"), f". {LAYOUTS[name].expected}"
            )
        raise FileFormatError(
            "Which concepts and prompts? Give a folder with ",
            Setting("data"),
            ", or ",
            Setting("suite"),
            f" {BUNDLED}.",
        )
    else:
        suite = load(data, name)
    if concepts:
        suite = suite.of(concepts)
    if split is None:
        return suite
    if split not in ("dev", "test"):
        raise FileFormatError(Setting("split"), f" '{split}' is neither dev nor test.")
    return suite.split("dev" if split == "dev" else "test")
