"""`Miniature`: what is built of a world, as a value: its model, its eyes, its personal concepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uncollapse.metrics import ClipScorer
from uncollapse.models.generation import GenerationSettings

from .concepts import DATA, PersonalConcept, individuals
from .judge import Judge
from .pixels import clip_pixels
from .prompts import WorldPrompt, world_contexts, world_prompts

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from transformers import CLIPModel, CLIPTokenizer

    from uncollapse.diagnosis.contexts import Contexts

__all__ = ["MINIATURES", "Miniature"]

DRAWING = GenerationSettings(num_inference_steps=20, guidance_scale=4.0, batch_size=8)


@dataclass(frozen=True)
class Miniature:
    """A text-to-image model of the world, with the judge, the CLIP and the personal concepts beside it.

    Args:
        folder: holds ``model``, ``clip``, ``judge.safetensors`` and ``concepts``, as the build leaves them.
        name: what commands call it.
        title: what reports, files and trajectories call it.
        drawing: with which settings it draws well.
    """

    folder: Path = DATA
    name: str = "unet"
    title: str = "the bundled miniature"
    drawing: GenerationSettings = DRAWING

    @property
    def model(self) -> Path:
        """The pipeline's folder, as ``from_pretrained`` takes it."""
        return self.folder / "model"

    @property
    def concepts(self) -> Mapping[str, PersonalConcept]:
        """Its personal concepts by name, whether it was taught them yet or not."""
        return individuals(self.folder)

    def pipeline(self) -> DiffusionPipeline:
        """An ordinary pipeline, float32 on the CPU, its progress bar off."""
        from diffusers import DiffusionPipeline

        pipe = DiffusionPipeline.from_pretrained(self.model, local_files_only=True)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def clip(self) -> tuple[CLIPModel, CLIPTokenizer]:
        """Its CLIP and the tokenizer."""
        from transformers import CLIPModel, CLIPTokenizer

        model = CLIPModel.from_pretrained(self.folder / "clip", local_files_only=True).eval()
        return model, CLIPTokenizer.from_pretrained(self.model / "tokenizer", local_files_only=True)

    def scorer(self) -> ClipScorer:
        """Its CLIP as a measure of pictures, prepared as it was trained on them."""
        return ClipScorer(*self.clip(), clip_pixels)

    def judge(self) -> Judge:
        """The judge, ready to ``read`` pictures."""
        from safetensors.torch import load_file

        judge = Judge()
        weights = load_file(self.folder / "judge.safetensors")
        judge.load_state_dict({name: weight.float() for name, weight in weights.items()})
        return judge.eval()

    def context_prompts(self, concept: PersonalConcept) -> list[WorldPrompt]:
        """Eight prompts that put the concept where it was never photographed, two with an accessory."""
        return world_prompts(concept)

    def contexts(self, concept: PersonalConcept) -> Contexts:
        """200 sentences that put the concept where it was never photographed, all of them photos."""
        return world_contexts(concept)


MINIATURES: dict[str, Miniature] = {each.name: each for each in (Miniature(),)}
