"""One phrase learned from photos, and what keeps it from taking its class with it.

    L = L(photos, "a photo of sks cat") + λ · L(class images, "a photo of cat") + μ · (1 − cos(…))

The second term is prior preservation, so that "cat" goes on meaning any cat (DreamBooth, arXiv 2208.12242,
eq. 2): the model's own pictures of the class, drawn before anything moves and kept, one PNG each, where a
resumed run finds them. The third is ClassDiffusion's (``semantics``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..models.generation import GenerationSettings, generate
from ..output import save_png
from .families import Conditions, Family
from .latents import Latents, encode_pictures
from .learner import Task
from .photos import read_pictures
from .semantics import semantic_distance
from .settings import Level, Settings
from .templates import PHOTO

__all__ = ["KnownPrompts", "PhraseSettings", "class_latents", "phrase_loss"]

FOLDER = "class_images"


@dataclass(frozen=True, kw_only=True)
class PhraseSettings(Settings):
    """What the methods share that learn one phrase.

    Args:
        prior_weight: weight λ of prior preservation; 0 for none, 1 as published.
        class_images: with ``prior_weight``, how many pictures of the class the model draws for it.
        semantic_preservation: weight μ of ClassDiffusion's loss, which holds the phrase's encoding near the
            class word's (arXiv 2405.17532); 0 for none.
    """

    level: ClassVar[Level] = "prompt"
    needs: ClassVar[Mapping[str, str]] = {**Settings.needs, "class_images": "prior_weight"}

    prior_weight: float = 0.0
    class_images: int = 100
    semantic_preservation: float = 0.0

    def __post_init__(self) -> None:
        if self.class_images < 1:
            raise self.refused("class_images", "it must be at least 1")
        super().__post_init__()
        for name in ("prior_weight", "semantic_preservation"):
            if getattr(self, name) < 0:
                raise self.refused(name, "it cannot be negative")

    @property
    def phrase(self) -> str:
        """The one prompt of all photos."""
        return PHOTO.format(self.concept)

    @property
    def class_phrase(self) -> str:
        """The prompt of the class images."""
        return PHOTO.format(self.class_word)


def class_latents(task: Task, settings: PhraseSettings) -> Latents | None:
    """Latents of the class images; those that are not there yet are drawn first. None for no prior."""
    if not settings.prior_weight:
        return None
    pipe, side = task.family.pipe, settings.resolution or task.family.resolution
    folder = task.folder / FOLDER
    paths = [folder / f"{i:04d}.png" for i in range(settings.class_images)]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    if missing and task.accelerator.is_main_process:
        drawing = GenerationSettings(height=side, width=side)
        for chosen in np.array_split(missing, -(-len(missing) // drawing.batch_size)):
            seeds = [settings.seed + int(i) for i in chosen]
            with torch.no_grad():
                images = generate(pipe, [settings.class_phrase] * len(seeds), seeds, drawing)
            for i, seed, image in zip(chosen, seeds, images, strict=True):
                save_png(image, paths[i], {"prompt": settings.class_phrase, "seed": seed})
    task.accelerator.wait_for_everyone()
    return encode_pictures(pipe, read_pictures(folder, side))


class KnownPrompts:
    """Encodings of a few fixed prompts, made anew only while something of a text encoder moves.

    Args:
        family: what encodes.
        parameters: what of the text encoders may move.
    """

    def __init__(self, family: Family, parameters: Mapping[str, nn.Parameter]) -> None:
        self.family, self.parameters = family, list(parameters.values())
        self.known: dict[str, Conditions] = {}

    def conditions(self, prompt: str, count: int) -> Conditions:
        """The prompt's encoding, for ``count`` pictures."""
        if any(parameter.requires_grad for parameter in self.parameters):
            self.known.clear()
            encoded = self.family.encode([prompt])
        else:
            if prompt not in self.known:
                with torch.no_grad():
                    self.known[prompt] = self.family.encode([prompt])
            encoded = self.known[prompt]
        return {name: each.expand(count, *each.shape[1:]) for name, each in encoded.items()}


def phrase_loss(
    task: Task, settings: PhraseSettings, prior: Latents | None, parameters: Mapping[str, nn.Parameter]
) -> Callable[[torch.Generator], Tensor]:
    """The loss of a batch of photos, and of as many class images where there are any.

    Args:
        prior: from ``class_latents``, called before anything could move.
        parameters: what of the text encoders may move.
    """
    family, count = task.family, settings.batch_size
    prompts = KnownPrompts(family, parameters)
    sources = [(task.photos, settings.phrase), *([(prior, settings.class_phrase)] if prior else [])]
    weights = torch.tensor([1.0, settings.prior_weight][: len(sources)], device=family.device)

    def loss(generator: torch.Generator) -> Tensor:
        latents = torch.cat([pictures.draw(count, generator)[1] for pictures, _ in sources])
        each = [prompts.conditions(prompt, count) for _, prompt in sources]
        together = {name: torch.cat([conditions[name] for conditions in each]) for name in each[0]}
        losses = family.losses(latents, together, generator, settings.min_snr)
        total = (weights * losses.view(-1, count).mean(1)).sum()
        if settings.semantic_preservation:
            distance = semantic_distance(family.pipe, settings.phrase, settings.class_phrase)
            total = total + settings.semantic_preservation * distance
        return total

    return loss
