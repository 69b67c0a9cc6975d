"""Suites of one's own: a ``suite.toml`` that says everything, or a folder that is one concept.

name = "my pets"
prompts = "prompts.txt"              # of every concept that has none of its own; or a list

[[concept]]
name = "tom"
class = "cat"
photos = "photos/tom"
photo = "photos/tom/03.jpg"          # for scores with a single reference; else the first
prompts = [
  "a photo of {} in the snow",
  {asked = "{} asleep on a red sofa", context = "asleep on a red sofa", concept = "a cat"},
]
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from ...admission import text_from
from ...errors import FileFormatError
from .layouts import layout, lines_of, photos_in
from .suite import Suite, SuiteConcept, SuitePrompt

SUITE, PROMPTS, PHOTOS = "suite.toml", "prompts.txt", "photos"
TOP = {"name", "prompts", "concept"}
OF_CONCEPT = {"name", "class", "photos", "photo", "prompts"}
TEXTS = {"context", "concept", "full"}


@layout(
    "own",
    published="Write it yourself.",
    tree="""
  suite.toml        name, and [[concept]] with name, class, photos, prompts
""",
    recognises=lambda folder: (folder / SUITE).is_file(),
)
def own(folder: Path) -> Suite:
    """What a ``suite.toml`` says."""
    data = tomllib.loads(text_from(folder / SUITE))
    _check_names(data, TOP, SUITE)
    concepts = []
    for each in data.get("concept", ()):
        _check_names(each, OF_CONCEPT, f"{SUITE}, the concept '{each.get('name')}'")
        word = each["class"]
        said = each.get("prompts", data.get("prompts", ()))
        prompts = lines_of(folder / said) if isinstance(said, str) else said
        concepts.append(
            SuiteConcept(
                each["name"],
                word,
                photos_in(folder / each["photos"]) if "photos" in each else (),
                tuple(_prompt(word, prompt) for prompt in prompts),
                folder / each["photo"] if "photo" in each else None,
            )
        )
    return Suite(data.get("name", folder.name), tuple(concepts))


@layout(
    "plain",
    published="Make it yourself.",
    tree="""
  my-dog/                 the last word of its name is the class word
    photos/01.jpg …
    prompts.txt           a line a prompt, {} in the subject's stead
""",
    recognises=lambda folder: (folder / PROMPTS).is_file() and (folder / PHOTOS).is_dir(),
)
def plain(folder: Path) -> Suite:
    """One concept."""
    name = folder.resolve().name
    word = name.replace("_", "-").split("-")[-1].rstrip("0123456789")
    if not word.isalpha():
        raise ValueError(f"the folder's name '{name}' does not end with a class word")
    prompts = tuple(_prompt(word, line) for line in lines_of(folder / PROMPTS))
    notes = (f"Class word: '{word}', the last word of the folder's name; a {SUITE} may say another.",)
    return Suite(name, (SuiteConcept(name, word, photos_in(folder / PHOTOS), prompts),), notes)


def _prompt(word: str, said: str | dict[str, str]) -> SuitePrompt:
    texts = {"asked": said} if isinstance(said, str) else dict(said)
    _check_names(texts, {"asked", *TEXTS}, f"{SUITE}, a prompt")
    asked = texts.pop("asked", "")
    if asked.count("{}") != 1:
        raise FileFormatError(
            f"The prompt '{asked}' has to have one gap for the subject. Write {{}} in its stead, as in "
            "'a photo of {} in the snow'."
        )
    return SuitePrompt.about(word, asked, **texts)


def _check_names(data: dict[str, Any], known: set[str], where: str) -> None:
    for name in data:
        if name not in known:
            raise FileFormatError(f"{where} says '{name}', which is none of {', '.join(sorted(known))}.")
