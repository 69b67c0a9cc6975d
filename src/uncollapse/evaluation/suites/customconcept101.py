"""CustomConcept101: a list of concepts in JSON, a text of prompts a class, a folder of photos a concept."""

from __future__ import annotations

import re
from pathlib import Path

from ...admission import json_from, text_from
from .layouts import layout, lines_of, photos_in
from .suite import NO_CONTEXTS, Suite, SuiteConcept, SuitePrompt

LIST = "dataset.json"
NEW_WORD = re.compile(r"<[^<>\s]+>\s+(.+)")

TREE = """
  customconcept101/
    dataset.json
    prompts/barn.txt …
    benchmark_dataset/scene_barn/00.jpg …
"""


@layout(
    "customconcept101",
    published="Its authors publish it: git clone https://github.com/adobe-research/custom-diffusion, and "
    "unpack benchmark_dataset.zip of huggingface.co/datasets/nupurkmr9/custom-diffusion in customconcept101.",
    tree=TREE,
    recognises=lambda folder: (folder / LIST).is_file(),
)
def customconcept101(folder: Path) -> Suite:
    """Single concepts with 20 prompts each."""
    concepts = []
    for each in json_from(text_from(folder / LIST)):
        found = NEW_WORD.search(each["instance_prompt"])
        word = found[1].strip() if found else each["class_prompt"].strip()
        photos = folder / each["instance_data_dir"]
        prompts = tuple(SuitePrompt.about(word, line) for line in lines_of(folder / each["prompt_filename"]))
        concepts.append(SuiteConcept(photos.name, word, photos_in(photos), prompts))
    return Suite("customconcept101", tuple(concepts), (NO_CONTEXTS, "Pairs of two concepts are not read."))
