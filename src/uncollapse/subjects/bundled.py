"""A miniature as the offline default: one of its personal concepts, and what the miniature knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..comparison import ContextPrompt, Measure, clip_measure, judge_measure
from ..concept import Concept
from ..errors import FileFormatError, PlaceholderError
from ..metrics import ClipScorer
from ..models.loading import load_lora
from .models import chosen_miniature, quieten_loading

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..diagnosis.contexts import Contexts
    from ..miniature import Miniature, PersonalConcept

__all__ = ["BUNDLED_BETA", "Bundled", "bundled"]

BUNDLED_BETA = 1.0  # at prompt level the paper's 1.5 overdrives so small a model: docs/miniature.md


@dataclass(frozen=True)
class Bundled:
    """A miniature and one of its personal concepts.

    Args:
        miniature: what draws, and judges what was drawn.
        personal: the concept, with its photographs and its LoRA.
    """

    miniature: Miniature
    personal: PersonalConcept

    def concept(self, anchor: str | None = None, **how: Any) -> Concept:
        """What is adjusted; ``how`` as ``Concept`` takes it."""
        return Concept(self.personal.placeholder, anchor or self.personal.anchor, **how)

    def pipeline(self) -> Any:
        """The model with the concept's LoRA."""
        quieten_loading()
        pipe = self.miniature.pipeline()
        load_lora(pipe, self.personal.lora or "")
        return pipe

    def photos(self) -> list[Image]:
        """The photographs of the individual."""
        return self.personal.reference_images()

    def prompts(self) -> Sequence[ContextPrompt]:
        """Prompts that the judge knows the answer to, each of another place."""
        return self.miniature.context_prompts(self.personal)

    def contexts(self) -> Contexts:
        """Sentences of places and things that the model knows, none where the concept was photographed."""
        return self.miniature.contexts(self.personal)

    def measures(self, anchor: str) -> list[Measure]:
        """What the miniature's judge and its CLIP say of a picture of this concept."""
        return [self.judged(), self.scored(anchor)]

    def judged(self) -> Measure:
        """Whether a picture shows what the miniature's own prompts ask for, and this individual."""
        return judge_measure(self.miniature.judge().read, self.personal.matches)

    def scored(self, anchor: str) -> Measure:
        """How near a picture is to its prompt and to the photographs, by the miniature's CLIP."""
        return clip_measure(self.scorer(), anchor, self.photos())

    def scorer(self) -> ClipScorer:
        """The miniature's CLIP."""
        return self.miniature.scorer()


def bundled(name: str | None = None, miniature: Miniature | None = None) -> Bundled:
    """A personal concept that has a LoRA, by its name or placeholder; by default the first.

    Args:
        miniature: whose; by default the first one's.

    Raises: FileFormatError, where it was taught none; PlaceholderError, where it was taught others.
    """
    miniature = miniature or chosen_miniature()
    trained = [concept for concept in miniature.concepts.values() if concept.lora]
    if not trained:
        raise FileFormatError(
            "The miniature's personal concepts are not in the package data. Make them with: "
            "python -m uncollapse.miniature.build"
        )
    for concept in trained:
        if name in (None, concept.name, concept.placeholder):
            return Bundled(miniature, concept)
    known = ", ".join(repr(concept.placeholder) for concept in trained)
    raise PlaceholderError(
        f"The miniature was taught no concept '{name}', only {known}. Give a MODEL to use one of your own."
    )
