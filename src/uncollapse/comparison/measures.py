"""What is said of each image in a comparison: by CLIP, and by a judge where there is one.

A measure maps images and the prompts they were asked for to a dictionary of scores an image. Numbers are
averaged over seeds, yes/no scores counted. The names here are those declared in ``metrics.scores``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..metrics import ClipScorer, clip_i, clip_t
from .prompts import ContextPrompt
from .records import Value

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Measure", "clip_measure", "judge_measure"]

Measure = Callable[[Sequence["Image"], Sequence[ContextPrompt]], list[dict[str, Value]]]
"""Images and the prompts they were asked for, to a dictionary of scores an image."""


def clip_measure(scorer: ClipScorer, anchor: str, reference_images: Sequence[Image] = ()) -> Measure:
    """CLIP-T for context, concept and full prompt, and CLIP-I where reference photos are given.

    In the full prompt the placeholder is replaced by ``anchor``, its class word, which CLIP knows.
    Source: arXiv:2506.22685, section 5.
    """
    reference_features = scorer.image_features(reference_images) if reference_images else None

    def measure(images: Sequence[Image], prompts: Sequence[ContextPrompt]) -> list[dict[str, Value]]:
        features = scorer.image_features(images)
        texts = {
            "clip_t_context": [prompt.context for prompt in prompts],
            "clip_t_concept": [anchor] * len(prompts),
            "clip_t_full": [prompt.template.replace("{}", anchor) for prompt in prompts],
        }
        columns = {name: clip_t(features, scorer.text_features(of)) for name, of in texts.items()}
        if reference_features is not None:
            columns["clip_i"] = clip_i(features, reference_features)
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, map(float, row), strict=True)) for row in rows]

    return measure


def judge_measure(judge: Callable[[list[Image]], Sequence[Any]], matches: Callable[[Any], bool]) -> Measure:
    """Context and identity kept, yes or no, as a judge of the images reads them.

    Args:
        judge: maps images to readings; the prompts' own ``kept(reading)`` decides on the context.
        matches: whether a reading shows the individual.
    """

    def measure(images: Sequence[Image], prompts: Sequence[Any]) -> list[dict[str, Value]]:
        readings = judge(list(images))
        return [
            {"context_kept": bool(prompt.kept(reading)), "identity_kept": bool(matches(reading))}
            for prompt, reading in zip(prompts, readings, strict=True)
        ]

    return measure
