"""The personal concepts: individuals that no word names, each photographed five times in one place."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from .judge import Reading, in_palette_order
from .world import ACCESSORIES, PLACES, Scene, render

DATA = Path(__file__).parent / "data"
REFERENCES = 5
PROMPTS_WITH_ACCESSORY = {2: "hat", 5: "balloon"}


@dataclass(frozen=True)
class ContextPrompt:
    """A prompt about the concept, ``{}`` in its ``template``; ``context`` is what else is asked for."""

    template: str
    context: str
    place: str
    accessory: str | None = None

    def kept(self, reading: Reading) -> bool:
        """Whether a picture shows the asked-for place, and the asked-for accessory where there is one."""
        return reading.place == self.place and self.accessory in (None, reading.accessory)


@dataclass(frozen=True)
class PersonalConcept:
    """An individual: a scene that fixes its looks and the place of its photographs."""

    name: str
    looks: Scene

    @property
    def anchor(self) -> str:
        return self.looks.subject

    @property
    def placeholder(self) -> str:
        return f"sks {self.anchor}"

    @property
    def place(self) -> str:
        """Where all its photographs were taken."""
        return self.looks.place

    @property
    def lora(self) -> Path | None:
        path = DATA / "concepts" / self.name / "pytorch_lora_weights.safetensors"
        return path if path.exists() else None

    @property
    def embedding(self) -> Path | None:
        path = DATA / "concepts" / self.name / "learned_embeds.safetensors"
        return path if path.exists() else None

    def reference_images(self) -> list[Image.Image]:
        """The five photographs, drawn anew, always the same."""
        from dataclasses import replace

        return [render(replace(self.looks, seed=i)) for i in range(REFERENCES)]

    def matches(self, reading: Reading) -> bool:
        """Whether a picture shows this individual: subject, colour, pattern and the pattern's colour."""
        looks = in_palette_order(self.looks)
        return all(
            getattr(reading, name) == getattr(looks, name)
            for name in ("subject", "colour", "pattern", "pattern_colour")
        )


def _individual(subject: str, colour: str, pattern: str, pattern_colour: str, place: str) -> PersonalConcept:
    looks = Scene(subject, colour, place, pattern=pattern, pattern_colour=pattern_colour, tidy=True)
    return PersonalConcept(subject, looks)


CONCEPTS: dict[str, PersonalConcept] = {
    c.name: c
    for c in (
        _individual("dog", "green", "two-tone", "pink", "city"),
        _individual("cat", "purple", "two-tone", "yellow", "kitchen"),
        _individual("robot", "orange", "two-tone", "blue", "garden"),
        _individual("car", "yellow", "two-tone", "purple", "forest"),
        _individual("turtle", "red", "two-tone", "white", "desert"),
        _individual("teapot", "blue", "two-tone", "orange", "beach"),
    )
}


def context_prompts(concept: PersonalConcept) -> list[ContextPrompt]:
    """Eight prompts that put the concept where it was never photographed, two of them with an accessory."""
    places = [p for p in PLACES if p != concept.place][:8]
    prompts = []
    for i, place in enumerate(places):
        accessory = PROMPTS_WITH_ACCESSORY.get(i)
        context = " ".join(filter(None, [accessory and ACCESSORIES[accessory][0], PLACES[place][0]]))
        prompts.append(ContextPrompt(f"a photo of {{}} {context}", context, place, accessory))
    return prompts
