"""The ways that are tried for a concept, each as ``comparison.parse_arm`` reads it.

They are those that served at least one kind of training best: α by role (the words and the rest moved, the
concept's own tokens left), one α for all, and the LoRA turned down in one of its halves, which needs no
adjustment and is all that helps where the denoiser alone has collapsed.

They stand in the order in which they are to be trusted: by how many pictures of all bundled LoRAs kept
context and likeness both (``benchmarks/rivals.py``). Where a concept's own pictures do not tell two apart,
the first is taken. Of learned vectors nothing is known to order them by, and the gentlest comes first.
"""

from __future__ import annotations

from ..components import Pipeline, adapters_in, modules, text_encoders
from ..concept import Concept
from ..pipelines import level_of

__all__ = ["family"]

LEARNED = tuple(f"tea:alpha={alpha},beta=1" for alpha in (0.1, 0.2, 0.3, 0.4, 0.6))
TEXT = (
    "tea:alpha=0/1/1,beta=1",
    "tea:alpha=0/0/1,beta=1",
    "lora:text=0.25",
    "lora:text=0",
    "tea:alpha=0.4/1/1,beta=1",
    "tea:alpha=0.8,beta=1",
    "tea:alpha=0.6,beta=1",
    "lora:text=0.5",
    "tea:alpha=0.4,beta=1",
)
DENOISER = ("lora:denoiser=0.8", "lora:denoiser=0.6")


def family(pipe: Pipeline, concept: Concept) -> tuple[str, ...]:
    """What is worth trying for a concept in this pipeline, the most to be trusted first.

    Raises: AdjustmentError, as ``apply`` at a level that is not there.
    """
    if level_of(pipe, concept) == "token":
        return LEARNED
    encoders = text_encoders(pipe)
    others = [part for name, part in modules(pipe).items() if name not in encoders]
    turned_down = bool(adapters_in(encoders.values()))
    ways = tuple(way for way in TEXT if turned_down or not way.startswith("lora"))
    return ways + DENOISER if adapters_in(others) else ways
