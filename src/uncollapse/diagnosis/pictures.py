"""Image space: pictures of the concept in context, and what CLIP and a judge say of them.

    S_T^p    100 · cos(picture, context)         is the rest of the prompt there?
    S_T^c    100 · cos(picture, class word)      is the subject there?
    S_T^f    100 · cos(picture, full prompt)
    CLIP-I   100 · mean cos(picture, reference photo)

It costs generations, and so it is asked for. All ways of drawing share prompts and seeds: each picture has
its twin. Intervals are over contexts, each the mean of its seeds; those of a yes or no are Wilson's, over
pictures.

Source: arXiv:2506.22685, section 5; ``measures.py`` has the formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

import torch

from ..comparison import (
    BASE,
    PERSONALISED,
    Arm,
    Comparison,
    ContextPrompt,
    Measure,
    UserPrompt,
    comparing,
)
from ..components import Pipeline, has_adapters, tokens_and_encoders
from ..concept import Concept
from ..metrics import Share
from ..metrics.sets.bootstrap import Interval, mean_interval
from ..models.generation import GenerationSettings
from ..placeholders import is_learned
from .contexts import Contexts

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "PictureSettings",
    "Pictures",
    "arms_for",
    "counted",
    "draw_pictures",
    "figures",
    "picture_prompts",
]

PROMPTS = 8  # of fewer, no interval over contexts means anything


@dataclass(frozen=True)
class PictureSettings:
    """What is drawn, and who looks at it.

    Args:
        prompts: each with ``{}`` for the subject, and its context.
        seeds: of every prompt.
        generation: how the pipeline is called.
        measures: of the pictures; without one they are drawn and not measured.
        references: photos of the subject, for the sheet.
        sources: whose figure a score is, by its name.
        arms: drawn beside those of the diagnosis.
    """

    prompts: Sequence[ContextPrompt]
    seeds: Sequence[int] = (0,)
    generation: GenerationSettings = field(default_factory=GenerationSettings)
    measures: Sequence[Measure] = ()
    references: Sequence[Image] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    arms: Sequence[Arm] = ()


@dataclass(frozen=True)
class Pictures:
    """What was drawn, arm by arm, with its scores."""

    settings: PictureSettings
    comparison: Comparison


def picture_prompts(contexts: Contexts, count: int = PROMPTS) -> list[UserPrompt]:
    """Some of the contexts, evenly spread."""
    return [UserPrompt(template) for template in contexts.first(count).templates]


def arms_for(
    pipe: Pipeline, concept: Concept, base: Pipeline | None = None, adjusted: Arm | None = None
) -> list[Arm]:
    """The base model with the anchor word, where there is one; the concept as it is; and adjusted."""
    arms = [BASE, PERSONALISED] if _has_base(pipe, concept, base) else [PERSONALISED]
    return arms if adjusted is None else [*arms, adjusted]


def draw_pictures(
    pipe: Pipeline,
    concept: Concept,
    settings: PictureSettings,
    arms: Sequence[Arm],
    *,
    base: Pipeline | None = None,
    on_images: Callable[[int], object] = lambda count: None,
) -> Iterator[Pictures]:
    """The pictures as they grow, an arm at a time, so that an interruption loses no arm that was finished.

    Args:
        base: a pipeline that was never fine-tuned; None for ``pipe`` with its adapters off.
        on_images: called with the number of pictures just finished.
    """
    growing = comparing(
        pipe,
        concept,
        settings.prompts,
        settings.seeds,
        arms,
        settings.generation,
        settings.measures,
        on_images,
        base=base,
    )
    for drawn in growing:
        yield Pictures(settings, drawn)


def figures(comparison: Comparison, arm: str) -> dict[str, Interval]:
    """Each score of an arm with its 95 % interval, in its unit."""
    found = {}
    for name, value in comparison.summary(arm).items():
        if isinstance(value, Share):
            found[name] = Interval(value.percent, value.low, value.high)
        else:
            found[name] = mean_interval(torch.tensor(_by_prompt(comparison, arm, name)))
    return found


def counted(comparison: Comparison) -> str:
    """How many pictures an arm has, in words."""
    prompts, seeds = len(comparison.prompts), len(comparison.seeds)
    return f"{prompts} prompt{'s' * (prompts > 1)} × {seeds} seed{'s' * (seeds > 1)}"


def _by_prompt(comparison: Comparison, arm: str, name: str) -> list[float]:
    """The mean over the seeds of each prompt."""
    scores = [float(record.scores[name]) for record in comparison.of(arm)]
    seeds = len(comparison.seeds)
    return [fmean(scores[i : i + seeds]) for i in range(0, len(scores), seeds)]


def _has_base(pipe: Pipeline, concept: Concept, base: Pipeline | None) -> bool:
    """Whether there is a model to draw the plain word with: another, or this one less what it learned."""
    if base is not None or has_adapters(pipe):
        return True
    return any(is_learned(tokenizer, concept.placeholder) for tokenizer, _ in tokens_and_encoders(pipe))
