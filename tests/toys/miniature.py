"""A miniature in miniature: built from toy models, so that commands can be tested in seconds.

toy = toy_miniature(folder)
monkeypatch.setitem(MINIATURES, "unet", toy)     # in the stead of the bundled one, or beside it: "toy"
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toys.clip import make_clip
from toys.diagnoses import CONTEXTS
from toys.pictures import SIZE, picture
from toys.pipelines import add_lora, make_pipeline, save_lora
from uncollapse.metrics import ClipScorer, Preprocessing
from uncollapse.miniature import Miniature
from uncollapse.models.generation import GenerationSettings

DRAWING = GenerationSettings(num_inference_steps=2)


@dataclass(frozen=True)
class Reading:
    brightness: float


@dataclass(frozen=True)
class FakePrompt:
    template: str
    context: str

    def kept(self, reading: Reading) -> bool:
        return reading.brightness > 0.5


@dataclass(frozen=True)
class FakeConcept:
    name: str = "cat"
    placeholder: str = "sks cat"
    anchor: str = "cat"
    place: str = "beach"
    lora: Path | None = None
    embedding: Path | None = None

    def reference_images(self):
        return [picture("purple"), picture("indigo")]

    def matches(self, reading: Reading) -> bool:
        return reading.brightness > 0.4


@dataclass(frozen=True)
class ToyMiniature(Miniature):
    drawing: GenerationSettings = DRAWING
    taught: Mapping[str, FakeConcept] = field(default_factory=dict)

    @property
    def concepts(self):
        return self.taught

    def pipeline(self):
        return make_pipeline()

    def scorer(self):
        return ClipScorer(*make_clip(), Preprocessing(SIZE, SIZE))

    def judge(self):
        def read(images):
            return [Reading(image.convert("L").resize((1, 1)).getpixel((0, 0)) / 255) for image in images]

        return types.SimpleNamespace(read=read)

    def context_prompts(self, concept):
        return [
            FakePrompt("a photo of {} in the snow", "in the snow"),
            FakePrompt("{} on the beach", "on the beach"),
            FakePrompt("a photo of {} wearing a red hat", "wearing a red hat"),
        ]

    def contexts(self, concept):
        return CONTEXTS


def toy_miniature(folder: Path, **named: str) -> ToyMiniature:
    """Its model saved under ``folder``, with one concept that has a LoRA; ``named`` is its name and title."""
    toy = ToyMiniature(folder, **named)
    make_pipeline().save_pretrained(toy.model)
    personalised = make_pipeline()
    add_lora(personalised)
    lora = save_lora(personalised, folder / "lora")
    concepts = {"cat": FakeConcept(lora=lora), "untrained": FakeConcept("untrained", "sks hat", "hat")}
    return ToyMiniature(folder, taught=concepts, **named)
