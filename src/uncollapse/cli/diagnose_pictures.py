"""The pictures of a diagnosis: how many, of what, and who looks at them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..comparison import MEASURES, Arm, Given, Measure, clip_measure, named_measures
from ..concept import Concept
from ..diagnosis.contexts import Contexts
from ..diagnosis.pictures import PictureSettings, picture_prompts
from ..models.generation import GenerationSettings
from ..models.loading import load_images
from ..subjects import Bundled
from .diagnose_contexts import AskedContexts

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class PictureOptions:
    """What the user asked for.

    Args:
        images: pictures a prompt; None for none at all.
        references: folder of photos of the subject.
        measured: who measures, by name: a model's folder or hub id, or True.
        steps, guidance: of drawing.
        arms: asked and drawn beside those of the diagnosis.
    """

    images: int | None = None
    references: Path | None = None
    measured: Mapping[str, str | bool] = field(default_factory=dict)
    steps: int | None = None
    guidance: float | None = None
    arms: Sequence[Arm] = ()


def picture_settings(
    drawn: PictureOptions,
    concept: Concept,
    contexts: Contexts,
    asked: AskedContexts,
    own: Bundled | None = None,
) -> PictureSettings | None:
    """Prompts, seeds, measures; None where no pictures were asked for.

    Args:
        own: a miniature's own concept: its CLIP measures without being named, and its judge, who knows what
            the miniature's prompts ask for, but not what the user's do.
    """
    if not drawn.images:
        return None
    photos = load_images(drawn.references) if drawn.references else _photos(own)
    given = Given(concept.anchor, photos)
    judge = own if own and not asked.own else None
    measures = _usual(drawn, given, own, judge) | named_measures(drawn.measured, given)
    return PictureSettings(
        prompts=judge.prompts() if judge else picture_prompts(contexts),
        seeds=range(drawn.images),
        generation=_generation(drawn, own),
        measures=list(measures.values()),
        references=photos,
        sources=_sources(drawn, given, measures, own),
        arms=drawn.arms,
    )


def _usual(
    drawn: PictureOptions, given: Given, own: Bundled | None, judge: Bundled | None
) -> dict[str, Measure]:
    """The miniature's own, by name."""
    measures: dict[str, Measure] = {}
    if judge:
        measures["judge"] = judge.judged()
    if own and "clip" not in drawn.measured:
        measures["clip"] = clip_measure(own.scorer(), given.anchor, given.references)
    return measures


def _sources(
    drawn: PictureOptions, given: Given, measures: Collection[str], own: Bundled | None
) -> dict[str, str]:
    """Whose figure each score is."""
    by = {name: model for name, model in drawn.measured.items() if isinstance(model, str)}
    if own:
        by = {
            "judge": f"the miniature's judge, its own {own.personal.anchor}",
            "clip": "the miniature's CLIP",
        } | by
    return {
        score: MEASURES[name].source(given, by.get(name, ""))
        for name in measures
        for score in MEASURES[name].gives
    }


def _photos(own: Bundled | None) -> list[Image]:
    return own.photos() if own else []


def _generation(drawn: PictureOptions, own: Bundled | None) -> GenerationSettings:
    """The demo's, for the miniature; else the pipeline's own."""
    usual = own.miniature.drawing if own else GenerationSettings()
    return replace(
        usual,
        num_inference_steps=drawn.steps or usual.num_inference_steps,
        guidance_scale=usual.guidance_scale if drawn.guidance is None else drawn.guidance,
    )
