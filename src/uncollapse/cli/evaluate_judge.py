"""``uncollapse evaluate judge``: a vision-language model is asked about every picture, and tested."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..errors import EvaluationError, Setting
from ..evaluation.cell_files import JUDGED, SUFFIX, cells_at, write_cells
from ..evaluation.judging import (
    RUBRICS,
    Endpoint,
    Item,
    Judging,
    Replies,
    Sanity,
    controls,
    cost,
    export_batch,
    import_batch,
    items,
    ranked,
    repeats,
    self_agreement,
)
from ..evaluation.labels import label_id, read_ratings, with_judge
from ..output import check_writable
from . import options as o
from .console import command, print_json, progress, say, stdout
from .evaluate_label import said_of_alphas
from .evaluate_report import INCOMPLETE, Evaluated
from .evaluate_subjects import ClassWords, Photos, subjects_in
from .tables import print_files

__all__ = ["REJECTED", "judge"]

REJECTED = 4  # the exit code where the judge cannot be trusted


@command
def judge(
    run: Evaluated,
    model: Annotated[
        str, typer.Option(metavar=o.WORDS, help="The judge, as its server calls it; dated best.")
    ],
    photos: Photos,
    class_words: ClassWords = None,
    rubric: Annotated[str, typer.Option(help=f"What is asked: {', '.join(RUBRICS)}.")] = "v1",
    base_url: Annotated[
        str | None,
        typer.Option(help="The server, such as http://127.0.0.1:8000/v1; by default OpenAI's."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Ask no more questions than that this time.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it will take, and ask nothing.")
    ] = False,
    price: Annotated[
        str | None,
        typer.Option(metavar="READ,WRITTEN", help="Of a million tokens, for --dry-run: 0.15,0.60."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export-batch", help="Write the questions as a batch, and ask nothing.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option("--import-batch", help="Take the answers of a batch, and ask nothing.")
    ] = None,
    ratings: Annotated[
        list[Path] | None, typer.Option(help="What people said, by uncollapse evaluate label; repeat.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Let a vision-language model judge the pictures, by any server that speaks OpenAI's chat completions.

    The key is taken from the environment variable OPENAI_API_KEY. Every reply is kept in the folder judge
    beside the cells; what was answered is never asked again. Exit code 3: questions are open; 4: the judge
    does not rank what is known, or does not agree with itself or with people, and no scores of it are
    written.
    """
    _check(rubric, price, dry_run, [each for each in (dry_run, export, answers) if each])
    cells, folder = cells_at(run)
    subjects = subjects_in(photos, (cell.concept for cell in cells), class_words)
    asked, missing = items(cells, subjects, RUBRICS[rubric], folder)
    pairs, repeated = controls(asked, subjects, RUBRICS[rubric]), repeats(asked)
    known = [item for pair in pairs for item in (pair.higher, pair.lower)]
    everything = [*asked, *known, *(item for group in repeated for item in group)]
    place = folder / JUDGED / f"{rubric}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"
    check_writable(place.parent)
    judging = Judging(RUBRICS[rubric], model, Replies(place.with_suffix(".replies.jsonl")))
    still = judging.open(everything)
    if dry_run:
        stdout().print(str(cost(judging, still, _price(price))), markup=False)
        return
    if export:
        files = export_batch(judging, still, export)
        print_files({f"batch {number}": file for number, file in enumerate(files, 1)}, 8)
        return
    if answers:
        kept, strange = import_batch(judging, still, answers)
        say([f"{kept} answers kept, {strange} lines answer nothing that is asked."])
    elif still:
        some = still[:limit]
        with Endpoint(base_url) as endpoint, progress("Asking", len(some)) as advance:
            judging.ask(some, endpoint.ask, advance)
    if left := len(judging.open(everything)):
        say([f"Incomplete: {left} questions are open. Run the same again to ask them."])
        raise typer.Exit(INCOMPLETE)
    sanity = Sanity(
        ranked(pairs, judging.seen),
        self_agreement(repeated, judging.seen),
        _people(judging, asked, ratings),
    )
    judged = judging.cells(asked, missing, folder)
    lost = [seen.error for item in asked if (seen := judging.seen(item)).answers is None]
    scores = place.with_suffix(SUFFIX)
    if sanity.faults:
        scores.unlink(missing_ok=True)
    else:
        write_cells(judged, scores)
    if json:
        print_json(
            {"judge": model, "rubric": rubric, **asdict(sanity), "faults": sanity.faults, "lost": lost}
        )
    else:
        _tell(sanity, lost, len(asked), len(missing))
    if sanity.faults:
        why = "; ".join(sanity.faults)
        say([f"'{model}' is rejected: {why}. Its replies are kept, and no scores of it are written."])
        raise typer.Exit(REJECTED)
    if not json:
        print_files({"scores": scores, "replies": judging.replies.path}, 8)


def _tell(sanity: Sanity, lost: Sequence[str], asked: int, missing: int) -> None:
    """What is known of the judge, and how much it did not answer."""
    lines = [f"ranks {share:.0%} of the pairs with {kind}" for kind, share in sanity.ranked.items()]
    lines += said_of_alphas(sanity.itself, "itself") + said_of_alphas(sanity.people, "people")
    lines.append(f"{asked} questions, of which {len(lost)} have no answer; {missing} pictures are missing")
    lines += [f"{number} × {why}" for why, number in Counter(lost).most_common()]
    for text in lines:
        stdout().print(text, markup=False)


def _people(judging: Judging, asked: Sequence[Item], ratings: Sequence[Path] | None) -> Mapping[str, float]:
    """The judge's agreement with people; empty where none rated."""
    if not ratings:
        return {}
    judged: dict[str, dict[str, int]] = {name: {} for name in judging.rubric.questions}
    for item in asked:
        if answers := judging.seen(item).answers:
            judged[item.question.name][label_id(item)] = answers["score"]
    return with_judge([read_ratings(file) for file in ratings], judged)


def _check(rubric: str, price: str | None, dry_run: bool, instead: Sequence[object]) -> None:
    """Raises: EvaluationError, for what cannot be meant."""
    if rubric not in RUBRICS:
        there = ", ".join(RUBRICS)
        raise EvaluationError(Setting("rubric"), f"='{rubric}' is no rubric: there is {there}.")
    if len(instead) > 1:
        raise EvaluationError(
            Setting("dry_run"), ", ", Setting("export_batch"), " and ", Setting("import_batch"),
            " each do another thing than asking: give one of them.",
        )  # fmt: skip
    if price and not dry_run:
        raise EvaluationError(
            Setting("price"), " says what ", Setting("dry_run"), " reckons with: give both."
        )


def _price(text: str | None) -> tuple[float, float] | None:
    """Raises: EvaluationError."""
    if text is None:
        return None
    try:
        read, written = map(float, text.split(","))
    except ValueError:
        raise EvaluationError(
            Setting("price"), f"='{text}' is not two prices of a million tokens: give them as 0.15,0.60."
        ) from None
    return read, written
