"""The pictures of a diagnosis: how many, of what, and who looks at them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..comparison.compare import Measure
from ..comparison.measures import clip_measure
from ..concept import Concept
from ..diagnosis.contexts import Contexts
from ..diagnosis.pictures import PictureSettings, picture_prompts
from ..metrics import ClipScorer
from ..models.generation import GenerationSettings
from ..models.loading import load_images
from ..subjects import Bundled
from .diagnose_contexts import AskedContexts

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Drawn:
    """What the user asked for.

    Args:
        images: pictures a prompt; None for none at all.
        references: folder of photos of the subject.
        clip: folder or hub id of the CLIP that measures.
        steps, guidance: of drawing.
    """

    images: int | None = None
    references: Path | None = None
    clip: str | None = None
    steps: int | None = None
    guidance: float | None = None


def picture_settings(
    drawn: Drawn, concept: Concept, contexts: Contexts, asked: AskedContexts, own: Bundled | None = None
) -> PictureSettings | None:
    """Prompts, seeds, measures; None where no pictures were asked for.

    Args:
        own: a miniature's own concept: its CLIP measures without being named, and its judge, who knows what
            the miniature's prompts ask for, but not what the user's do.
    """
    if not drawn.images:
        return None
    photos = load_images(drawn.references) if drawn.references else _photos(own)
    clip = drawn.clip or ("the miniature's CLIP" if own else "")
    measures = _clip(drawn, concept, photos, own)
    judge = own if own and not asked.own else None
    return PictureSettings(
        prompts=judge.prompts() if judge else picture_prompts(contexts),
        seeds=range(drawn.images),
        generation=_generation(drawn, own),
        measures=[judge.judged(), *measures] if judge else measures,
        references=photos,
        clip=f"{clip}, {len(photos)} photo{'s' * (len(photos) > 1)}" if clip and photos else clip,
        judge=f"the miniature's judge, its own {judge.personal.anchor}" if judge else "",
    )


def _photos(own: Bundled | None) -> list[Image]:
    return own.photos() if own else []


def _clip(drawn: Drawn, concept: Concept, photos: list[Image], own: Bundled | None) -> list[Measure]:
    if drawn.clip:
        scorer = ClipScorer.from_pretrained(drawn.clip)
    elif own:
        scorer = own.scorer()
    else:
        return []
    return [clip_measure(scorer, concept.anchor, photos)]


def _generation(drawn: Drawn, own: Bundled | None) -> GenerationSettings:
    """The demo's, for the miniature; else the pipeline's own."""
    usual = own.miniature.drawing if own else GenerationSettings()
    return replace(
        usual,
        num_inference_steps=drawn.steps or usual.num_inference_steps,
        guidance_scale=usual.guidance_scale if drawn.guidance is None else drawn.guidance,
    )
