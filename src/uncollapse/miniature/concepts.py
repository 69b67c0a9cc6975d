"""The personal concepts: individuals that no word names, each photographed five times in one place."""

from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from .judge import Reading, in_palette_order
from .world import Scene, render

__all__ = ["DATA", "PersonalConcept", "individuals"]

DATA = Path(__file__).parent / "data"
REFERENCES = 5


@dataclass(frozen=True)
class PersonalConcept:
    """An individual: a scene that fixes its looks and the place of its photographs.

    Args:
        name: by which it is asked for.
        looks: of the individual, and where it was photographed.
        data: the folder of the miniature that was taught it.
    """

    name: str
    looks: Scene
    data: Path = DATA

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
        return self._taught("pytorch_lora_weights.safetensors")

    @property
    def embedding(self) -> Path | None:
        return self._taught("learned_embeds.safetensors")

    def _taught(self, file: str) -> Path | None:
        path = self.data / "concepts" / self.name / file
        return path if path.exists() else None

    def reference_images(self) -> list[Image.Image]:
        """The five photographs, drawn anew, always the same."""
        return [render(replace(self.looks, seed=i)) for i in range(REFERENCES)]

    def matches(self, reading: Reading) -> bool:
        """Whether a picture shows this individual: subject, colour, pattern and the pattern's colour."""
        looks = in_palette_order(self.looks)
        return all(
            getattr(reading, name) == getattr(looks, name)
            for name in ("subject", "colour", "pattern", "pattern_colour")
        )


def individuals(data: Path = DATA) -> dict[str, PersonalConcept]:
    """All of them by name, as the miniature in ``data`` was taught them."""
    return {looks.subject: PersonalConcept(looks.subject, looks, data) for looks in LOOKS}


def _looks(subject: str, colour: str, pattern_colour: str, place: str) -> Scene:
    return Scene(subject, colour, place, pattern="two-tone", pattern_colour=pattern_colour, tidy=True)


LOOKS = (
    _looks("dog", "green", "pink", "city"),
    _looks("cat", "purple", "yellow", "kitchen"),
    _looks("robot", "orange", "blue", "garden"),
    _looks("car", "yellow", "purple", "forest"),
    _looks("turtle", "red", "white", "desert"),
    _looks("teapot", "blue", "orange", "beach"),
)
