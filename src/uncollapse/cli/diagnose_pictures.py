"""The pictures of a diagnosis: how many, of what, and who looks at them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..comparison import MEASURES, Arm, Given, Measure, clip_measure, named_measures
from ..concept import Concept
from ..diagnosis.contexts import Contexts
from ..diagnosis.pictures import PictureSettings, picture_prompts
from ..models.generation import GenerationSettings
from ..models.loading import load_images
from .bundled import BUNDLED_DRAWING, bundled_judge, bundled_scorer
from .diagnose_contexts import AskedContexts

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Drawn:
    """What the user asked for.

    Args:
        images: pictures a prompt; None for none at all.
        references: folder of photos of the subject.
        measured: who measures, by name: a model's folder or hub id, or True.
        steps, guidance: of drawing.
        arms: drawn beside those of the diagnosis.
    """

    images: int | None = None
    references: Path | None = None
    measured: Mapping[str, str | bool] = field(default_factory=dict)
    steps: int | None = None
    guidance: float | None = None
    arms: Sequence[Arm] = ()


def picture_settings(
    drawn: Drawn, concept: Concept, contexts: Contexts, asked: AskedContexts, personal: Any = None
) -> PictureSettings | None:
    """Prompts, seeds, measures; None where no pictures were asked for.

    Args:
        personal: the miniature's own concept: its CLIP measures without being named, and its judge, who knows
            what the miniature's prompts ask for, but not what the user's do.
    """
    if not drawn.images:
        return None
    photos = load_images(drawn.references) if drawn.references else _photos(personal)
    given = Given(concept.anchor, photos)
    judged = personal is not None and not asked.own
    measures = _usual(drawn, given, personal, judged=judged) | named_measures(drawn.measured, given)
    return PictureSettings(
        prompts=_miniatures(personal) if judged else picture_prompts(contexts),
        seeds=range(drawn.images),
        generation=_generation(drawn, personal),
        measures=list(measures.values()),
        references=photos,
        sources=_sources(drawn, given, measures, personal),
        arms=drawn.arms,
    )


def _usual(drawn: Drawn, given: Given, personal: Any, *, judged: bool) -> dict[str, Measure]:
    """The miniature's own, by name."""
    measures = {}
    if judged:
        measures["judge"] = bundled_judge(personal)
    if personal and "clip" not in drawn.measured:
        measures["clip"] = clip_measure(bundled_scorer(), given.anchor, given.references)
    return measures


def _sources(drawn: Drawn, given: Given, measures: Collection[str], personal: Any) -> dict[str, str]:
    """Whose figure each score is."""
    by = {name: model for name, model in drawn.measured.items() if isinstance(model, str)}
    if personal:
        by = {
            "judge": f"the miniature's judge, its own {personal.anchor}",
            "clip": "the miniature's CLIP",
        } | by
    return {
        score: MEASURES[name].source(given, by.get(name, ""))
        for name in measures
        for score in MEASURES[name].gives
    }


def _photos(personal: Any) -> list[Image]:
    return personal.reference_images() if personal else []


def _miniatures(personal: Any) -> list[Any]:
    from .. import miniature

    return miniature.context_prompts(personal)


def _generation(drawn: Drawn, personal: Any) -> GenerationSettings:
    """The demo's, for the miniature; else the pipeline's own."""
    usual = BUNDLED_DRAWING if personal else GenerationSettings()
    return replace(
        usual,
        num_inference_steps=drawn.steps or usual.num_inference_steps,
        guidance_scale=usual.guidance_scale if drawn.guidance is None else drawn.guidance,
    )
