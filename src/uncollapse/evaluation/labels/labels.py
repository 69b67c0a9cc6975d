"""What people say of the same pictures: a page to rate them on, and the ratings that it saves.

The page is one file that needs no server and no network. It asks the judge's two questions of each picture,
does not say by which arm it was drawn, and shows the pictures in an order that tells nothing; each is known
by a hash, which finds it again among the cells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...admission import json_from, text_from
from ...errors import EvaluationError, FileFormatError
from ...output import save_text
from ..agreement import alpha
from ..embedded import address, as_data, small
from ..judging.items import Item, shuffled

__all__ = ["Ratings", "chosen", "label_id", "read_ratings", "with_judge", "with_people", "write_label_page"]

TEMPLATE = Path(__file__).parent / "labels.html.j2"
SIDE = 384
QUESTIONS = ("prompt", "image")
GRADES = range(5)


@dataclass(frozen=True)
class Ratings:
    """What one person said.

    Args:
        rater: who it was, by the name or number that they typed.
        grades: of each question, 0 to 4, by the picture's ``label_id``.
    """

    rater: str
    grades: Mapping[str, Mapping[str, int]]


def label_id(item: Item) -> str:
    """By what the page knows a picture: a hash of concept, method, arm, prompt and seed."""
    return hashlib.sha256(json.dumps(item.about, ensure_ascii=False).encode()).hexdigest()[:16]


def chosen(asked: Sequence[Item], count: int) -> list[Item]:
    """So many pictures of all that are asked about, as many of each method and arm as can be.

    Args:
        asked: items about a run's pictures, of any questions.
        count: of pictures.

    Returns: items of the question that shows photos, in an order that tells nothing of the arms.
    """
    groups: dict[tuple[str, str], list[Item]] = {}
    for item in shuffled(each for each in asked if each.about and each.question.photos):
        if item.about:
            groups.setdefault((item.about[1], item.about[2]), []).append(item)
    longest = max(map(len, groups.values()), default=0)
    rounds = [group[i] for i in range(longest) for group in groups.values() if i < len(group)]
    return shuffled(rounds[:count])


def write_label_page(items: Sequence[Item], path: Path) -> Path:
    """Write the page that asks people about some pictures.

    Args:
        items: what ``chosen`` gave.

    Raises: EvaluationError, where there are none; FileFormatError, for a picture that cannot be read;
        OutputError.
    """
    from jinja2 import Environment, StrictUndefined

    if not items:
        raise EvaluationError("There are no pictures to rate. Draw them first.")
    pictures: dict[str, str] = {}
    names: dict[Path, str] = {}
    for file in dict.fromkeys(file for item in items for file in (*item.photos, item.picture)):
        copy = small(file, SIDE)
        if copy is None:
            raise FileFormatError(f"'{file}' cannot be read as a picture. Draw or copy it again.")
        names[file] = hashlib.sha256(copy).hexdigest()[:16]
        pictures[names[file]] = address(copy)
    asked = [
        {
            "id": label_id(item),
            "text": item.text,
            "picture": names[item.picture],
            "photos": [names[photo] for photo in item.photos],
        }
        for item in items
    ]
    whole = hashlib.sha256("".join(map(label_id, items)).encode()).hexdigest()[:16]
    data = as_data({"page": whole, "pictures": pictures, "items": asked})
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return save_text(template.render(data=data), path)


def read_ratings(path: Path) -> Ratings:
    """The ratings that the page saved.

    Raises: FileFormatError.
    """
    try:
        given: Any = json_from(text_from(path))
        grades = {
            question: {str(each): _grade(value) for each, value in given["grades"][question].items()}
            for question in QUESTIONS
        }
        return Ratings(str(given["rater"]), grades)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise FileFormatError(
            f"'{path}' holds no ratings: {error}. Give the file that the page of uncollapse evaluate label "
            "saved."
        ) from error


def _grade(value: object) -> int:
    if type(value) is not int or value not in GRADES:
        raise ValueError(f"a grade is 0 to 4, and one is {value!r}")
    return value


def with_people(ratings: Sequence[Ratings]) -> dict[str, float]:
    """How people agree with each other: alpha over all of them, by question; nan for a single one."""
    found = {}
    for question in QUESTIONS:
        ids = list(dict.fromkeys(each for rater in ratings for each in rater.grades[question]))
        found[question] = alpha([[_of(rater, question, each) for each in ids] for rater in ratings])
    return found


def with_judge(ratings: Sequence[Ratings], judged: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """How a judge agrees with people: the mean of its alphas with each of them, by question.

    Args:
        ratings: of people.
        judged: the judge's grades, by question and ``label_id``; what it refused is not in it.

    Raises: EvaluationError, for ratings of pictures that the judge was not asked about.
    """
    found = {}
    for question in QUESTIONS:
        alphas = []
        for rater in ratings:
            grades = rater.grades[question]
            shared = [each for each in grades if each in judged[question]]
            if grades and not shared:
                raise EvaluationError(
                    f"None of the pictures that '{rater.rater}' rated was judged: they are of another run. "
                    "Give ratings of the page that this run made."
                )
            alphas.append(
                alpha([[float(grades[s]) for s in shared], [float(judged[question][s]) for s in shared]])
            )
        found[question] = sum(alphas) / len(alphas)
    return found


def _of(rater: Ratings, question: str, picture: str) -> float | None:
    grade = rater.grades[question].get(picture)
    return None if grade is None else float(grade)
