"""Anti-DreamBooth's sets of faces: three folders of four photos an identity, and two prompts for all."""

from __future__ import annotations

from pathlib import Path

from .layouts import layout, photos_in
from .suite import Suite, SuiteConcept, SuitePrompt

SETS = ("set_A", "set_B", "set_C")
PROMPTS = ("a photo of {}", "a dslr portrait of {}")
CLASS = "person"

TREE = """
  CelebA-HQ/
    103/set_A/0.png …, set_B/…, set_C/…
"""


@layout(
    "anti-dreambooth",
    published="Anti-DreamBooth's authors link it from https://github.com/VinAIResearch/Anti-DreamBooth "
    "(the faces for non-commercial research).",
    tree=TREE,
    recognises=lambda folder: any(folder.glob("*/set_A")),
)
def antidreambooth(folder: Path) -> Suite:
    """Identities, all called "person"."""
    prompts = tuple(SuitePrompt.about(CLASS, text) for text in PROMPTS)
    people = sorted(each.parent for each in folder.glob("*/set_A"))
    concepts = tuple(
        SuiteConcept(each.name, CLASS, tuple(p for name in SETS for p in photos_in(each / name)), prompts)
        for each in people
    )
    return Suite("anti-dreambooth", concepts, ("Its prompts ask for no context.",))
