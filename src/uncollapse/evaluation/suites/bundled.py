"""The miniature's world as a suite: its personal concepts, photographed in one place and asked for in others.

Needs no files of the user's. Its photos are drawn anew, the same every time.
"""

from __future__ import annotations

from ...output import save_png, scratch_folder
from ...subjects import bundled, chosen_miniature
from .suite import Suite, SuiteConcept, SuitePrompt

__all__ = ["bundled_suite"]


class _Photos:
    """Owns the folder of the photos."""


def bundled_suite(miniature: str | None = None) -> Suite:
    """All concepts that a miniature was taught.

    Args:
        miniature: which; None for the first.

    Raises: PipelineError, where there is no such miniature.
    """
    owner = _Photos()
    folder = scratch_folder(owner)
    concepts = []
    for name, each in chosen_miniature(miniature).concepts.items():
        if each.lora is None:
            continue
        own = bundled(name, chosen_miniature(miniature))
        photos = [save_png(p, folder / name / f"{i}.png", {}) for i, p in enumerate(own.photos())]
        prompts = tuple(
            SuitePrompt.about(each.anchor, prompt.template, context=prompt.context)
            for prompt in own.prompts()
        )
        concepts.append(SuiteConcept(name, each.anchor, tuple(photos), prompts))
    return Suite("bundled", tuple(concepts), keeps=owner)
