"""ReVersion's benchmark: a relation a folder, ten pictures that show it, and a hundred prompts.

The prompts are a dictionary of lists, as JSON or as Python, which is read and not run. Without it the
captions of the pictures are asked for.
"""

from __future__ import annotations

import ast
from pathlib import Path

from ...admission import json_from, text_from
from .layouts import layout, photos_in
from .suite import NO_CONTEXTS, Suite, SuiteConcept, SuitePrompt

CAPTIONS = "text.json"

TREE = """
  reversion_benchmark_v1/
    carved_by/0.jpg … 9.jpg, text.json
    scenarios.json (or .py)      {"carved_by": ["cat {} stone", …], …}
"""


@layout(
    "reversion",
    published="Its authors link it from https://github.com/ziqihuangg/ReVersion (non-commercial), with the "
    "scenarios in their code.",
    tree=TREE,
    recognises=lambda folder: any(folder.glob(f"*/{CAPTIONS}")),
)
def reversion(folder: Path) -> Suite:
    """Relations with up to 100 prompts each."""
    scenarios = _scenarios(folder)
    concepts = []
    for captions in sorted(folder.glob(f"*/{CAPTIONS}")):
        name = captions.parent.name
        asked = scenarios.get(name) if scenarios else _said(json_from(text_from(captions)))
        word = name.replace("_", " ")
        prompts = tuple(SuitePrompt.about(word, text) for text in asked or ())
        concepts.append(SuiteConcept(name, word, photos_in(captions.parent), prompts))
    notes = () if scenarios else ("There are no scenarios: the captions of the pictures are asked for.",)
    return Suite("reversion", tuple(concepts), (*notes, NO_CONTEXTS))


def _scenarios(folder: Path) -> dict[str, list[str]]:
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.py")]):
        text = text_from(file, encoding="utf-8-sig")
        for each in [json_from(text)] if file.suffix == ".json" else _literals(text):
            if isinstance(each, dict) and all(isinstance(value, list) for value in each.values()):
                return each
    return {}


def _literals(source: str) -> list[object]:
    """What a Python file assigns that can be read without running it."""
    found = []
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign):
            try:
                found.append(ast.literal_eval(statement.value))
            except ValueError:
                continue
    return found


def _said(captions: dict[str, str | list[str]]) -> list[str]:
    """Each caption once; a picture has one or several."""
    lists = [[each] if isinstance(each, str) else each for each in captions.values()]
    return list(dict.fromkeys(text for several in lists for text in several))
