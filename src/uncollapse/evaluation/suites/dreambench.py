"""DreamBench++: a picture a concept, and beside it a text: its subject, then nine prompts that name it.

A concept is called as in its authors' outputs, ``live_subject_animal_00_kitten``. Prompts about a style, and
those that say the subject in other words, have no gap: they can be scored of pictures drawn by others only.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...models.loading import IMAGE_SUFFIXES
from .layouts import layout, lines_of
from .suite import NO_CONTEXTS, Suite, SuiteConcept, SuitePrompt

KINDS = {"animal": "live_subject_animal", "human": "live_subject_human", "object": "object", "style": "style"}

TREE = """
  data/
    images/animal/00.jpg …     (animal, human, object, style)
    captions/animal/00.txt …   (line 1 the subject, then 9 prompts)
"""


@layout(
    "dreambench++",
    published="Its authors publish it: unpack data.zip of huggingface.co/datasets/yuangpeng/dreambench_plus.",
    tree=TREE,
    recognises=lambda folder: (folder / "captions").is_dir() and (folder / "images").is_dir(),
)
def dreambench(folder: Path) -> Suite:
    """Concepts of one photo and nine prompts each."""
    concepts, without = [], 0
    for kind, prefix in KINDS.items():
        for photo in sorted((folder / "images" / kind).glob("*")):
            if photo.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            subject, *prompts = lines_of(folder / "captions" / kind / f"{photo.stem}.txt")
            asked = tuple(_prompt(subject, text) for text in prompts)
            without += sum("{}" not in each.asked for each in asked)
            name = f"{prefix}_{photo.stem}_{subject.replace(' ', '_')}"
            concepts.append(SuiteConcept(name, subject, (photo,), asked))
    notes = (
        [f"{without} prompts do not name their subject: they can be scored, not drawn."] if without else []
    )
    return Suite("dreambench++", tuple(concepts), (*notes, NO_CONTEXTS))


def _prompt(subject: str, text: str) -> SuitePrompt:
    asked = re.sub(rf"(?<![\w-]){re.escape(subject)}(?![\w-])", "{}", text, count=1, flags=re.IGNORECASE)
    made = SuitePrompt.about(subject, asked, full=text)
    return SuitePrompt(made.asked, made.context if "{}" in asked else text, subject, text, text)
