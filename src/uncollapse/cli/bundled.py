"""The miniature as the commands' offline default: a personal concept, its pipeline, its measures."""

from __future__ import annotations

import random
from typing import Any

from ..comparison import Measure, clip_measure, judge_measure
from ..concept import Concept
from ..diagnosis.contexts import Contexts
from ..errors import FileFormatError, PlaceholderError
from ..metrics import ClipScorer
from ..models.generation import GenerationSettings
from ..models.loading import load_lora
from .console import quieten_loading

BUNDLED_DRAWING = GenerationSettings(num_inference_steps=20, guidance_scale=4.0, batch_size=8)


def bundled_concept(name: str | None) -> Any:
    """A bundled personal concept with a LoRA, by its name or placeholder; by default the first."""
    from .. import miniature

    trained = [concept for concept in miniature.CONCEPTS.values() if concept.lora]
    if not trained:
        raise FileFormatError(
            "The miniature's personal concepts are not in the package data. Make them with: "
            "python -m uncollapse.miniature.build"
        )
    for concept in trained:
        if name in (None, concept.name, concept.placeholder):
            return concept
    known = ", ".join(repr(concept.placeholder) for concept in trained)
    raise PlaceholderError(
        f"The miniature was taught no concept '{name}', only {known}. Give a MODEL to use one of your own."
    )


def bundled_pipeline(personal: Any) -> Any:
    """The miniature with the concept's LoRA."""
    from .. import miniature

    quieten_loading()
    pipe = miniature.load_pipeline()
    load_lora(pipe, personal.lora)
    return pipe


def bundled_contexts(personal: Any, count: int = 200) -> Contexts:
    """Sentences of places and things that the miniature knows, none where the concept was photographed.

    All are photos: a sketch or a neon sign moves the denoiser more than any place does, and would be all that
    is measured.
    """
    from ..miniature.world.vocabulary import ACCESSORIES, PLACES

    places = [ways for place, ways in PLACES.items() if place != personal.place]
    accessories = ["", *(way for ways in ACCESSORIES.values() for way in ways)]
    said = [
        " ".join(filter(None, ("a photo of {}", accessory, place)))
        for accessory in accessories
        for place in [way for ways in places for way in ways]
    ]
    templates = random.Random(0).sample(said, count)
    return Contexts(tuple(templates), tuple(range(1, count + 1)), "the miniature's world")


def bundled_measures(personal: Any, concept: Concept) -> list[Measure]:
    """What the miniature's judge and CLIP say of an image of this concept."""
    photos = personal.reference_images()
    return [bundled_judge(personal), clip_measure(bundled_scorer(), concept.anchor, photos)]


def bundled_judge(personal: Any) -> Measure:
    """Whether a picture shows what the miniature's own prompts ask for, and this individual."""
    from .. import miniature

    return judge_measure(miniature.load_judge().read, personal.matches)


def bundled_scorer() -> ClipScorer:
    from .. import miniature

    return ClipScorer(*miniature.load_clip(), miniature.clip_pixels)
