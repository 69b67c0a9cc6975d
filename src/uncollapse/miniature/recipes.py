"""How the personal concepts are taught: every method's settings, for any concept and seed.

The bundled LoRAs are the first recipe's with seed 0, the bundled embedding the second's; the others are
there to compare with (``benchmarks/training_curves.py``). The LoRA's text adapters change queries and keys
alone, that is, which word listens to which: values would rewrite every text, the empty one too, and guidance
leads away from that, so that the likeness would go with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uncollapse.training import CustomDiffusion, DreamBoothLoRA, Settings, TextualInversion

from .concepts import PersonalConcept
from .device import best_device, has_fast_bfloat16

__all__ = ["RECIPES", "Recipe", "save_photos"]

CHECKPOINTS = 8  # beside step 0


@dataclass(frozen=True)
class Recipe:
    """A method and how it is told to train.

    Args:
        method: its settings' class.
        given: the settings in which it differs from the defaults.
        seeds: how many runs of each concept are compared.
    """

    method: type[Settings]
    given: dict[str, Any]
    seeds: int = 2

    def with_(self, seeds: int = 2, **more: Any) -> Recipe:
        """The same, but for these settings."""
        return Recipe(self.method, self.given | more, seeds)

    def settings(self, concept: PersonalConcept, seed: int = 0, **changes: Any) -> Settings:
        """For one concept, keeping nine states; in bfloat16 where that is fast."""
        given = self.given | changes
        every = max(1, given["steps"] // CHECKPOINTS)
        return self.method(
            placeholder=self.method.example.format(concept.anchor),
            class_word=concept.anchor,
            seed=seed,
            checkpoint_steps=tuple(range(0, given["steps"] + 1, every)),
            save_every=given["steps"],
            mixed_precision="bf16" if has_fast_bfloat16(best_device()) else "no",
            **given,
        )


LORA = Recipe(DreamBoothLoRA, dict(steps=240, lr=1e-3, text_lr=4e-3, text_layers="q_proj,k_proj"), seeds=3)
ROWS = Recipe(TextualInversion, dict(steps=640, lr=5e-3, vectors=4))
CUSTOM = Recipe(CustomDiffusion, dict(steps=240, lr=1e-3, token_lr=5e-3, class_images=24))
RECIPES: dict[str, Recipe] = {
    "dreambooth": LORA,
    "textual inversion": ROWS,
    "custom diffusion": CUSTOM,
    "dreambooth, all text": LORA.with_(text_lr=2e-3, text_layers="q_proj,k_proj,v_proj,out_proj"),
    "dreambooth, denoiser alone": Recipe(DreamBoothLoRA, dict(steps=240, lr=6e-3)),
    "dreambooth, prior": LORA.with_(seeds=3, prior_weight=1.0, class_images=24),
    "dreambooth, clipped": LORA.with_(seeds=3, max_grad_norm=0.02),
    "textual inversion, norm kept": ROWS.with_(seeds=1, norm_preserving=True),
    "textual inversion, pulled": ROWS.with_(seeds=1, pull=2.0),
    "dreambooth, class kept": LORA.with_(seeds=1, semantic_preservation=1.0),
}


def save_photos(concept: PersonalConcept, folder: Path) -> Path:
    """The concept's reference images as files, to train from."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(concept.reference_images()):
        image.save(folder / f"{i}.png")
    return folder
