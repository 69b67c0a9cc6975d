"""DreamBooth's data set: a folder a subject, and one text with their classes and two lists of prompts.

The lists are printed as Python, ``'a {0} {1} in the jungle'.format(unique_token, class_token)``, and read as
text. Live subjects (cats and dogs) have a list of their own.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...admission import text_from
from .layouts import layout, photos_in
from .suite import NO_CONTEXTS, Suite, SuiteConcept, SuitePrompt

PROMPTS = "prompts_and_classes.txt"
LIVE = {"cat", "dog"}
FORMATTED = re.compile(r"""(['"])((?:(?!\1).)*)\1\s*\.format""")

TREE = """
  dataset/
    prompts_and_classes.txt
    backpack/00.jpg …
    dog/00.jpg …
"""


@layout(
    "dreambooth",
    published="Its authors publish it: git clone https://github.com/google/dreambooth, and give its folder "
    "dataset.",
    tree=TREE,
    recognises=lambda folder: (folder / PROMPTS).is_file(),
)
def dreambooth(folder: Path) -> Suite:
    """Subjects with 25 prompts each."""
    text = text_from(folder / PROMPTS, encoding="utf-8-sig")
    classes, objects, live = _sections(text)
    prompts = {True: FORMATTED.findall(live), False: FORMATTED.findall(objects)}
    concepts = []
    for name, class_word in re.findall(r"^([\w-]+),(.+)$", classes, re.MULTILINE):
        if name == "subject_name":
            continue
        word = class_word.strip()
        asked = tuple(SuitePrompt.about(word, said) for _, said in prompts[word in LIVE])
        concepts.append(SuiteConcept(name, word, photos_in(folder / name), asked))
    return Suite("dreambooth", tuple(concepts), (NO_CONTEXTS,))


def _sections(text: str) -> tuple[str, str, str]:
    found = re.split(r"^\s*(?:Classes|Object Prompts|Live Subject Prompts)\s*$", text, flags=re.MULTILINE)
    if len(found) != 4:
        raise ValueError(f"{PROMPTS} has no Classes, Object Prompts and Live Subject Prompts in this order")
    _, classes, objects, live = found
    return classes, objects, live
