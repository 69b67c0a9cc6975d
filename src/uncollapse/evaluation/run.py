"""`Run`: a plan and what has become of it, in a folder that can be stopped, moved, divided and gone on with.

What is done is what lies in the folder: whoever opens it goes on, and who is killed loses a batch at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from .. import __version__
from ..admission import is_there, json_from, reason, text_from
from ..errors import FileFormatError, Setting
from ..models.generation import GenerationSettings
from ..output import save_json
from .cells import Cell
from .digests import canonical, digest_of_path
from .drawing import Drawer, Drawn
from .engines import Engine, Local
from .methods import Base, Method
from .plan import Batch, Plan, Row
from .store import keep_file, keep_rows, rows_in
from .suites import Suite, SuiteConcept, SuitePrompt

__all__ = ["Progress", "Run"]

KIND = "uncollapse evaluation"
RUN, ROWS = "run.json", "plan.jsonl"
DRAWS, FEATURES, SCORES, REFERENCES = "draws", "features", "scores", "references"


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Args:
        pictures: that are wanted; what arms or methods share is one.
        drawn: of them.
        errors: why others are not, each with how many.
    """

    pictures: int
    drawn: int
    errors: dict[str, int]

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to draw."""
        return self.drawn == self.pictures


class Run:
    """A folder with a plan in it.

    Args:
        folder: of a run that is there, or to be made for ``plan``.
        plan: None for the plan that lies in the folder. The same plan is gone on with, and what it says of
            where files are takes the place of what was said.

    Raises: FileFormatError, for a folder without a run, or with another plan in it; OutputError.
    """

    def __init__(self, folder: str | Path, plan: Plan | None = None) -> None:
        self.folder = Path(folder).expanduser()
        there = is_there(self.folder / RUN)
        if plan is None and not there:
            raise FileFormatError(
                f"There is no run in '{folder}'. Make one with: uncollapse evaluate plan … -o '{folder}'"
            )
        if plan is not None:
            if there:
                _check_same(self.folder, plan)
            self._write(plan)
        self.plan = _read(self.folder)

    def _write(self, plan: Plan) -> None:
        photos = {}
        for photo in (photo for concept in plan.suite.concepts for photo in concept.every_photo):
            photos[photo] = f"{REFERENCES}/{digest_of_path(photo)}{photo.suffix.lower()}"
            if not (self.folder / photos[photo]).exists():
                keep_file(photo.read_bytes(), self.folder / photos[photo])
        data = {
            "kind": KIND,
            "uncollapse": __version__,
            "identity": plan.identity,
            "suite": {
                "name": plan.suite.name,
                "notes": plan.suite.notes,
                "concepts": [_concept_as_json(concept, photos) for concept in plan.suite.concepts],
            },
            "base": asdict(plan.base),
            "methods": [_method_as_json(method) for method in plan.methods],
            "arms": plan.arms,
            "seeds": plan.seeds,
            "settings": asdict(plan.settings),
            "weights": plan.weights,
        }
        keep_rows(map(asdict, plan.rows), self.folder / ROWS)
        save_json(data, self.folder / RUN)

    @cached_property
    def draws(self) -> dict[str, Drawn]:
        """What became of each job that was tried, by its id."""
        found: dict[str, Drawn] = {}
        for row in rows_in(self.folder / DRAWS):
            drawn = Drawn(**row)
            if drawn.picture and not (self.folder / drawn.picture).exists():
                drawn = Drawn(drawn.job, error="the picture is gone")
            found[drawn.job] = drawn
        return found

    def pictures(self) -> dict[str, str]:
        """The files of the jobs that are done, relative to the folder, by the jobs' ids."""
        jobs = self.plan.jobs
        return {job: drawn.picture for job, drawn in self.draws.items() if drawn.picture and job in jobs}

    @property
    def progress(self) -> Progress:
        """How far it is."""
        errors = Counter(
            each.error for job, each in self.draws.items() if each.error and job in self.plan.jobs
        )
        return Progress(len(self.plan.jobs), len(self.pictures()), dict(errors.most_common()))

    @property
    def todo(self) -> list[Batch]:
        """The batches that are not done, errors among them."""
        done = self.pictures()
        return [batch for batch in self.plan.batches if not all(job.id in done for job in batch.jobs)]

    def draw(
        self,
        engine: Engine | None = None,
        *,
        device: str | None = None,
        on_images: Callable[[int], object] = lambda count: None,
    ) -> Progress:
        """Draw what is not there.

        Args:
            engine: who draws; None for this process.
            device: where; None for CUDA where there is one.
            on_images: called with the number of pictures just finished, failed ones too.

        Raises: OutputError, where the folder cannot be written to. What else goes wrong is a row, which
            ``progress`` counts.
        """

        batches = {batch.jobs[0].id: batch for batch in self.plan.batches}

        def keep(rows: list[Drawn]) -> None:
            batch = batches[rows[0].job]
            keep_rows(map(asdict, rows), self.folder / DRAWS / f"{batch.id}.jsonl")
            self.draws.update({row.job: row for row in rows})
            on_images(len(rows))

        (engine or Local()).map(self.todo, partial(Drawer, self.plan, self.folder, device), keep)
        return self.progress

    @property
    def scores(self) -> dict[str, list[dict[str, Any]]]:
        """The figures, by the score's whole identity."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows_in(self.folder / SCORES):
            found.setdefault(row["score"], []).append(row)
        return found

    def cells(self) -> list[Cell]:
        """A cell for each picture that is wanted and each score that was measured; some have no value."""
        pictures = self.pictures()
        cells = []
        for score, rows in self.scores.items():
            values = {(row["picture"], row["concept"], row["prompt"]): row["value"] for row in rows}
            for row in self.plan.rows:
                picture = pictures.get(row.job, "")
                value = values.get((picture, row.concept, row.prompt))
                cells.append(_cell(row, score, value, picture))
        return cells


def _cell(row: Row, score: str, value: float | None, picture: str) -> Cell:
    return Cell(row.concept, row.method, row.arm, row.prompt, row.seed, score, value, picture)


def _check_same(folder: Path, plan: Plan) -> None:
    """Raise FileFormatError where the folder holds another plan, saying what differs."""
    there, wanted = _data(folder)["identity"], json_from(canonical(plan.identity))
    differs = [name for name in wanted if there.get(name) != wanted[name]]
    if differs:
        raise FileFormatError(
            f"'{folder}' holds another plan: it differs in {', '.join(differs)}. Give a new folder with ",
            Setting("output"),
            ", or the plan that it was made with.",
        )


def _data(folder: Path) -> dict[str, Any]:
    try:
        data = json_from(text_from(folder / RUN, most=2**31))
    except (OSError, ValueError) as error:
        raise FileFormatError(
            f"'{folder / RUN}' cannot be read: {reason(error)} Make the plan again."
        ) from error
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise FileFormatError(f"'{folder / RUN}' is of no run. Give another folder.")
    return data


def _read(folder: Path) -> Plan:
    data = _data(folder)
    try:
        suite = Suite(
            data["suite"]["name"],
            tuple(_concept_of(each, folder) for each in data["suite"]["concepts"]),
            tuple(data["suite"]["notes"]),
        )
        return Plan(
            suite,
            Base(**data["base"]),
            tuple(_method_of(each) for each in data["methods"]),
            tuple(data["arms"]),
            tuple(data["seeds"]),
            GenerationSettings(**data["settings"]),
            data["weights"],
        )
    except (KeyError, TypeError) as error:
        raise FileFormatError(f"'{folder / RUN}' is damaged: {reason(error)} Make the plan again.") from error


def _concept_as_json(concept: SuiteConcept, photos: dict[Path, str]) -> dict[str, Any]:
    return {
        "name": concept.name,
        "class_word": concept.class_word,
        "photos": [photos[photo] for photo in concept.photos],
        "photo": photos[concept.photo] if concept.photo else None,
        "prompts": [asdict(prompt) for prompt in concept.prompts],
    }


def _concept_of(data: dict[str, Any], folder: Path) -> SuiteConcept:
    return SuiteConcept(
        data["name"],
        data["class_word"],
        tuple(folder / photo for photo in data["photos"]),
        tuple(SuitePrompt(**prompt) for prompt in data["prompts"]),
        folder / data["photo"] if data["photo"] else None,
    )


def _method_as_json(method: Method) -> dict[str, Any]:
    found = [[*key, str(path)] for key, path in method.found.items()]
    names = ("name", "kind", "weights", "pictures", "arm", "placeholder", "anchor")
    return {name: getattr(method, name) for name in names} | {"folder": str(method.folder), "found": found}


def _method_of(data: dict[str, Any]) -> Method:
    found = {(concept, prompt, seed): Path(path) for concept, prompt, seed, path in data.pop("found")}
    return Method(**{**data, "folder": Path(data["folder"]), "found": found})
