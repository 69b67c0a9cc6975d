"""What others have: pictures that they drew for a suite, and scores that they published.

Pictures lie in a folder a concept, each named ``PROMPT_SEED.png``, with the prompt's number from 0 or its
words (TEA's, DreamBench++'s and DTI's outputs do); or, as CustomConcept101's scripts leave them, in
``samples`` beside a ``prompts.json`` that says what each was asked for.

TEA publishes a table a score: number of the prompt, a text, number of the picture, value.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..admission import json_from, reason, text_from
from ..errors import FileFormatError
from ..models.loading import IMAGE_SUFFIXES
from .cells import Cell
from .methods import Method
from .profiles import PROFILES
from .suites import Suite, SuiteConcept

__all__ = ["Found", "pictures_of", "published_cells"]

NUMBERED = re.compile(r"(.+)_(\d+)")
TABLE = re.compile(
    r"(?P<model>clip|dino)_alignment_(?P<kind>scores|with_anchor_image)_(?P<drawn>.+?)_"
    r"(?P<prompts>(?:gen_|eval_)?prompts?_.+)"
)
TEXTS = {"objectA": "clip_t_concept", "objectB": "clip_t_context", "full_prompt": "clip_t_full"}
TEA = "_tea_"


@dataclass(frozen=True)
class Found:
    """The pictures of a folder.

    Args:
        method: with the pictures that belong to a prompt of the suite.
        seeds: that there are.
        left: files that belong to none.
    """

    method: Method
    seeds: tuple[int, ...]
    left: tuple[Path, ...]


def pictures_of(folder: str | Path, suite: Suite, name: str, arm: str = "") -> Found:
    """Pictures that others drew for the prompts of a suite.

    Args:
        folder: with a folder for each concept somewhere in it.
        suite: whose prompts.
        name: of the method.
        arm: how they were drawn; "" for "personalised".

    Raises: FileFormatError, where there are none.
    """
    root = Path(folder).expanduser()
    files = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES]
    found: dict[tuple[str, int, int], Path] = {}
    left = []
    for path in files:
        key = _key(path, root, suite)
        if key is None or key in found:
            left.append(path)
        else:
            found[key] = path
    if not found:
        raise FileFormatError(
            f"'{folder}' holds no pictures of the suite '{suite.name}'. They are looked for as "
            "CONCEPT/PROMPT_SEED.png, with the prompt's number from 0 or its words."
        )
    seeds = tuple(sorted({seed for _, _, seed in found}))
    return Found(Method(name, "images", arm=arm, found=found, folder=root), seeds, tuple(left))


def _key(path: Path, root: Path, suite: Suite) -> tuple[str, int, int] | None:
    concept = _concept(path.relative_to(root).parent.parts or (root.name,), suite.concepts)
    if concept is None:
        return None
    listed = path.parent.parent / "prompts.json"
    if path.parent.name == "samples" and listed.exists():
        return _listed(path, listed, concept)
    stem = NUMBERED.fullmatch(path.stem)
    number = None if stem is None else _prompt(stem[1], concept)
    return None if stem is None or number is None else (concept.name, number, int(stem[2]))


def _listed(path: Path, listed: Path, concept: SuiteConcept) -> tuple[str, int, int] | None:
    """As ``prompts.json`` has it; the pictures of one prompt are numbered by name."""
    try:
        prompts: dict[str, str] = json_from(text_from(listed))
        number = _prompt(prompts[path.stem], concept)
        alike = sorted(stem for stem, text in prompts.items() if text == prompts[path.stem])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"'{listed}' does not say what '{path.name}' shows: {reason(error)}") from error
    return None if number is None else (concept.name, number, alike.index(path.stem))


def _concept(parts: Sequence[str], concepts: Sequence[SuiteConcept]) -> SuiteConcept | None:
    """The concept that a path names: a folder of its name, or one that ends with it."""
    for part in reversed(parts):
        for concept in sorted(concepts, key=lambda each: -len(each.name)):
            if part == concept.name or part.endswith(f"_{concept.name}"):
                return concept
    return concepts[0] if len(concepts) == 1 else None


def _prompt(said: str, concept: SuiteConcept) -> int | None:
    """The number of a prompt that is named by it or by its words."""
    if said.isdecimal():
        return int(said) if int(said) < len(concept.prompts) else None
    words = _words(re.sub(r"<[^<>\s]+>\s*", "", said))
    for number, prompt in enumerate(concept.prompts):
        if words in {_words(prompt.full), _words(prompt.asked), _words(prompt.as_published)}:
            return number
    return None


def _words(text: str) -> str:
    return " ".join(re.findall(r"[\w{}']+", text.lower().replace("_", " ")))


def published_cells(folder: str | Path, method: str) -> list[Cell]:
    """The figures of TEA's published tables.

    Args:
        folder: "semantic_drift" or one above it.
        method: as tables call it.

    Raises: FileFormatError, where there are no such tables, or one is none.
    """
    tables = [
        (path, found)
        for path in sorted(Path(folder).expanduser().rglob("*.csv"))
        if (found := TABLE.fullmatch(path.stem))
    ]
    if not tables:
        raise FileFormatError(
            f"'{folder}' holds no published scores. They are looked for as clip_alignment_scores_….csv, "
            "clip_alignment_with_anchor_image_….csv and dino_alignment_with_anchor_image_….csv."
        )
    texts = _texts(tables)
    cells = []
    for path, found in tables:
        score, scale = _score(path, found)
        concept, _, adjusted = found["drawn"].partition(TEA)
        arm = f"TEA {adjusted.replace('_', ' ')}" if adjusted else "personalised"
        for prompt, text, seed, value in _rows(path):
            asked = texts.get((concept, prompt), text)
            cells.append(Cell(concept.removesuffix("_cls"), method, arm, asked, seed, score, scale * value))
    return cells


def _score(path: Path, found: re.Match[str]) -> tuple[str, float]:
    """The identity of a table's score, and what brings its values to ours."""
    if found["kind"] == "scores":
        name = next((name for said, name in TEXTS.items() if path.stem.endswith(said)), "")
        if not name:
            raise FileFormatError(f"'{path}' does not say which text it is about: {', '.join(TEXTS)}.")
    else:
        name = f"{found['model']}_i"
    [score] = [each for each in PROFILES["tea-paper"].as_published().scores if each.name == name]
    encoder = score.encoder
    assert encoder.preprocessing is not None
    seen_as = f"{encoder.preprocessing.id}|{encoder.pooling}"
    full = f"{name}|{encoder.model}@published|{seen_as}|{score.scale}|{score.against}|mean"
    return full, 100.0 if name == "dino_i" else 1.0


def _texts(tables: Sequence[tuple[Path, re.Match[str]]]) -> dict[tuple[str, int], str]:
    """The prompts themselves, which the tables of A and B do not hold, by concept and number."""
    found: dict[tuple[str, int], str] = {}
    for path, table in tables:
        if table["kind"] == "with_anchor_image" or path.stem.endswith("full_prompt"):
            for prompt, text, _, _ in _rows(path):
                if "{}" in text:
                    found.setdefault((table["drawn"].partition(TEA)[0], prompt), text)
    return found


def _rows(path: Path) -> Iterator[tuple[int, str, int, float]]:
    rows = csv.reader(text_from(path, encoding="utf-8-sig").splitlines())
    for number, row in enumerate(rows, 1):
        if row[:1] == ["prompt_index"]:
            continue
        try:
            prompt, text, seed, value = row
            yield int(prompt), text.strip(), int(seed), float(value)
        except ValueError as error:
            raise FileFormatError(
                f"'{path}', row {number} is none of prompt_index, prompt, image_index, score: {reason(error)}"
            ) from error
