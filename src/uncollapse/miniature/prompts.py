"""What is asked of a personal concept: prompts and sentences that put it where it was never photographed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uncollapse.comparison.prompts import UserPrompt

from .concepts import PersonalConcept
from .judge import Reading
from .world import ACCESSORIES, PLACES

if TYPE_CHECKING:
    from uncollapse.diagnosis.contexts import Contexts

__all__ = ["WorldPrompt", "world_contexts", "world_prompts"]

PROMPTS = 8
PROMPTS_WITH_ACCESSORY = {2: "hat", 5: "balloon"}


@dataclass(frozen=True)
class WorldPrompt(UserPrompt):
    """A prompt about the concept, ``{}`` in its ``template``, with the answers that the judge is to give."""

    place: str
    accessory: str | None = None

    def kept(self, reading: Reading) -> bool:
        """Whether a picture shows the asked-for place, and the asked-for accessory where there is one."""
        return reading.place == self.place and self.accessory in (None, reading.accessory)


def world_prompts(concept: PersonalConcept) -> list[WorldPrompt]:
    """Eight prompts that put the concept where it was never photographed, two of them with an accessory."""
    places = [p for p in PLACES if p != concept.place][:PROMPTS]
    prompts = []
    for i, place in enumerate(places):
        accessory = PROMPTS_WITH_ACCESSORY.get(i)
        context = " ".join(filter(None, [accessory and ACCESSORIES[accessory][0], PLACES[place][0]]))
        prompts.append(WorldPrompt(f"a photo of {{}} {context}", place, accessory))
    return prompts


def world_contexts(concept: PersonalConcept, count: int = 200) -> Contexts:
    """Sentences of places and things that the world knows, none where the concept was photographed.

    All are photos: a sketch or a neon sign moves the denoiser more than any place does, and would be all that
    is measured.
    """
    from uncollapse.diagnosis.contexts import Contexts

    places = [ways for place, ways in PLACES.items() if place != concept.place]
    accessories = ["", *(way for ways in ACCESSORIES.values() for way in ways)]
    said = [
        " ".join(filter(None, ("a photo of {}", accessory, place)))
        for accessory in accessories
        for place in [way for ways in places for way in ways]
    ]
    templates = random.Random(0).sample(said, count)
    return Contexts(tuple(templates), tuple(range(1, count + 1)), "the miniature's world")
