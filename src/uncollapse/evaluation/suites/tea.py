"""The TEA paper's concepts, in a checkout of its code: people, nine of CustomConcept101, three relations.

Which prompts belong to which concept is said by names alone: ``gen_prompt_cs101_barn.csv`` is for
``cs101/scene_barn``. The photo that its scores compare with is that of its commands, where they say.
"""

from __future__ import annotations

from pathlib import Path

from .layouts import layout, photos_in
from .suite import Suite, SuiteConcept
from .tables import prompts_of

WOMEN = {"351", "908"}  # drawn from gen_prompt_actions_woman.csv
PHOTO = {  # "anchor image"
    "181": "206.jpg",
    "342": "416.jpg",
    "615": "3094.jpg",
    "908": "1387.jpg",
    "furniture_chair1": "0.jpeg",
    "pet_dog1": "6.jpeg",
    "plushie_tortoise": "4.png",
}
PERSON, THING, RELATION = "gen_prompt_actions", "gen_prompt_cs101_", "prompts_"

TREE = """
  Embedding-Adjustment/
    celebA/342/416.jpg …
    cs101/pet_dog1/0.jpeg …
    prompts/gen_prompt_actions.csv …
    ReVersion/prompts_carved_by.csv …
"""


def _tables(folder: Path) -> dict[str, Path]:
    """The first table of each name, those of the checkout's own ``prompts`` before others."""
    found = [*(folder / "prompts").glob("*.csv"), *folder.glob("*/prompts/*.csv"), *_relations(folder)]
    return {file.stem: file for file in reversed(found)}


def _relations(folder: Path) -> list[Path]:
    return sorted([*folder.glob(f"{RELATION}*.csv"), *folder.glob(f"ReVersion/{RELATION}*.csv")])


@layout(
    "tea",
    published="Its authors publish it: git clone https://github.com/tuananhbui89/Embedding-Adjustment "
    "(without a licence; its folder ReVersion may be given alone).",
    tree=TREE,
    recognises=lambda folder: (
        bool(_relations(folder)) or any((folder / each).is_dir() for each in ("celebA", "cs101"))
    ),
)
def tea(folder: Path) -> Suite:
    """Up to 22 concepts."""
    tables, concepts, notes = _tables(folder), [], []
    for person in sorted((folder / "celebA").glob("*/"), key=lambda each: each.name):
        name = f"{PERSON}_woman" if person.name in WOMEN else PERSON
        concepts.append(_concept(person, tables, name))
    for thing in sorted((folder / "cs101").glob("*/"), key=lambda each: each.name):
        about = [name for name in tables if name.startswith(THING) and name[len(THING) :] in thing.name]
        concepts.append(_concept(thing, tables, max(about, key=len, default=f"{THING}…")))
    if concepts and (first := [each.name for each in concepts if each.name not in PHOTO]):
        notes.append(f"Scores with one photo take the first by name of {', '.join(first)}.")
    for table in _relations(folder):
        name = table.stem.removeprefix(RELATION)
        word, prompts = prompts_of(table, name.replace("_", " "))
        photos = folder / "reversion_benchmark_v1" / name
        concepts.append(SuiteConcept(name, word, photos_in(photos) if photos.is_dir() else (), prompts))
    return Suite("tea", tuple(concepts), tuple(notes))


def _concept(folder: Path, tables: dict[str, Path], name: str) -> SuiteConcept:
    if name not in tables:
        raise ValueError(f"there is no table {name}.csv of prompts for '{folder.name}'")
    word, prompts = prompts_of(tables[name])
    photo = folder / PHOTO[folder.name] if folder.name in PHOTO else None
    return SuiteConcept(folder.name, word, photos_in(folder), prompts, photo)
