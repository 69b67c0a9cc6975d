"""A miniature in miniature.

``fake_miniature(folder)`` is a module with the interface of ``uncollapse.miniature``, built from toy models:
the commands can be tested in seconds, whatever the real one knows.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from pathlib import Path

from toys.clip import make_clip
from toys.pictures import SIZE, picture
from toys.pipelines import add_lora, make_pipeline, save_lora
from uncollapse.metrics.clip import ClipPreprocessing


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


def fake_miniature(folder: Path) -> types.ModuleType:
    """Saved under ``folder``: ``MODEL``, and one concept with a LoRA."""
    module = types.ModuleType("uncollapse.miniature")
    module.MODEL = folder / "model"
    make_pipeline().save_pretrained(module.MODEL)
    personalised = make_pipeline()
    add_lora(personalised)
    lora = save_lora(personalised, folder / "lora")

    def read(images):
        return [Reading(image.convert("L").resize((1, 1)).getpixel((0, 0)) / 255) for image in images]

    module.CONCEPTS = {"cat": FakeConcept(lora=lora), "untrained": FakeConcept("untrained", "sks hat", "hat")}
    module.load_pipeline = make_pipeline
    module.load_clip = make_clip
    module.clip_pixels = ClipPreprocessing(size=SIZE)
    module.load_judge = lambda: types.SimpleNamespace(read=read)
    module.context_prompts = lambda concept: [
        FakePrompt("a photo of {} in the snow", "in the snow"),
        FakePrompt("{} on the beach", "on the beach"),
        FakePrompt("a photo of {} wearing a red hat", "wearing a red hat"),
    ]
    return module
