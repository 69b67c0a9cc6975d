"""The pictures of a diagnosis: how many, of what, and who looks at them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..comparison import Measure, clip_measure
from ..concept import Concept
from ..diagnosis.contexts import Contexts
from ..diagnosis.pictures import PictureSettings, picture_prompts
from ..metrics import SCORES, ClipScorer
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
        clip: folder or hub id of the CLIP that measures.
        steps, guidance: of drawing.
    """

    images: int | None = None
    references: Path | None = None
    clip: str | None = None
    steps: int | None = None
    guidance: float | None = None


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
    clip = drawn.clip or ("the miniature's CLIP" if personal else "")
    measures = _clip(drawn, concept, photos, personal)
    judged = personal is not None and not asked.own
    return PictureSettings(
        prompts=_miniatures(personal) if judged else picture_prompts(contexts),
        seeds=range(drawn.images),
        generation=_generation(drawn, personal),
        measures=[bundled_judge(personal), *measures] if judged else measures,
        references=photos,
        sources=_sources(clip, photos, f"the miniature's judge, its own {personal.anchor}" if judged else ""),
    )


def _sources(clip: str, photos: list[Image], judge: str) -> dict[str, str]:
    by_clip = f"{clip}, {len(photos)} photo{'s' * (len(photos) > 1)}" if clip and photos else clip
    return {name: judge if score.share else by_clip for name, score in SCORES.items()}


def _photos(personal: Any) -> list[Image]:
    return personal.reference_images() if personal else []


def _clip(drawn: Drawn, concept: Concept, photos: list[Image], personal: Any) -> list[Measure]:
    if drawn.clip:
        scorer = ClipScorer.from_pretrained(drawn.clip)
    elif personal:
        scorer = bundled_scorer()
    else:
        return []
    return [clip_measure(scorer, concept.anchor, photos)]


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
