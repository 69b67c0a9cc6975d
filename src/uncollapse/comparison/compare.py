"""Drawing a comparison: the same prompts and seeds in every arm, and every image measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from ..concept import Concept
from ..models.generation import GenerationSettings, generate
from .arms import Arm
from .measures import Measure
from .prompts import ContextPrompt
from .records import Comparison, Record, Value

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["compare"]


def compare(
    pipe: Any,
    concept: Concept,
    prompts: Sequence[ContextPrompt],
    seeds: Sequence[int],
    arms: Sequence[Arm],
    settings: GenerationSettings | None = None,
    measures: Sequence[Measure] = (),
    on_images: Callable[[int], object] = lambda count: None,
    *,
    base: Any = None,
) -> Comparison:
    """Draw every prompt with every seed in every arm, and measure the images.

    Args:
        pipe: a personalised pipeline; left as it was found.
        concept: its placeholder and anchor; the strength comes from each arm.
        measures: each maps images and their prompts to one dictionary of scores an image.
        on_images: called with the number of images just finished.
        base: a pipeline that was never fine-tuned: it draws the arms that are not personalised, and encodes
            the anchor of the others. None for ``pipe`` with its adapters off.
    """
    settings = settings or GenerationSettings()
    pairs = list(product(prompts, seeds))
    records: list[Record] = []
    for arm in arms:
        asked = [arm.asked(concept, prompt.template) for prompt, _ in pairs]
        with arm.drawing(pipe, concept, base) as drawer:
            images = generate(drawer, asked, [seed for _, seed in pairs], settings, on_images, arm.call)
        scores = _measured(measures, images, [prompt for prompt, _ in pairs])
        records += [
            Record(arm.name, text, prompt.context, seed, image, score)
            for text, (prompt, seed), image, score in zip(asked, pairs, images, scores, strict=True)
        ]
    return Comparison(concept, tuple(arms), tuple(prompts), tuple(seeds), settings, tuple(records))


def _measured(
    measures: Sequence[Measure], images: Sequence[Image], prompts: Sequence[ContextPrompt]
) -> list[dict[str, Value]]:
    scores: list[dict[str, Value]] = [{} for _ in images]
    for measure in measures:
        for score, more in zip(scores, measure(images, prompts), strict=True):
            score.update(more)
    return scores
