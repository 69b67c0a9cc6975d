"""``uncollapse evaluate label``: a page on which people rate pictures, and how those who did agree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ..evaluation.cell_files import cells_at
from ..evaluation.judging import RUBRICS, items
from ..evaluation.labels import chosen, label_id, read_ratings, with_people, write_label_page
from ..output import check_writable
from .console import command, stdout
from .evaluate_report import Evaluated
from .evaluate_subjects import ClassWords, Photos, subjects_in
from .tables import print_files

__all__ = ["label", "said_of_alphas"]

TWO = 2  # people, whose agreement can be told


@command
def label(
    run: Evaluated,
    photos: Photos,
    class_words: ClassWords = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page; by default label.html beside the cells.")
    ] = None,
    pictures: Annotated[int, typer.Option("--pictures", "-n", min=1, help="How many are to be rated.")] = 120,
    ratings: Annotated[
        list[Path] | None,
        typer.Option(help="What the page saved; repeat for each person. Then no page is written."),
    ] = None,
) -> None:
    """Write a page on which people rate pictures, or say how the people who did agree.

    It works without a server and without a network, and does not say how a picture was drawn. Give the
    ratings to uncollapse evaluate judge, which then says how its judge agrees with people.
    """
    cells, folder = cells_at(run)
    subjects = subjects_in(photos, (cell.concept for cell in cells), class_words)
    asked, _ = items(cells, subjects, RUBRICS["v1"], folder)
    if ratings:
        known = {label_id(item) for item in asked}
        people = [read_ratings(file) for file in ratings]
        rated = {each for rater in people for grades in rater.grades.values() for each in grades}
        stdout().print(f"{len(people)} people rated {len(rated & known)} pictures of this run.", markup=False)
        for line in said_of_alphas(with_people(people), "each other" if len(people) >= TWO else "nobody yet"):
            stdout().print(line, markup=False)
        return
    page = output or folder / "label.html"
    check_writable(page.parent)
    write_label_page(chosen(asked, pictures), page)
    print_files({"page": page}, 6)


def said_of_alphas(alphas: Mapping[str, float], whom: str) -> list[str]:
    """Krippendorff's alpha of each question, a line each; "–" where nothing can be told."""
    return [
        f"{question}: alpha with {whom} {'–' if value != value else f'{value:.2f}'}"
        for question, value in alphas.items()
    ]
