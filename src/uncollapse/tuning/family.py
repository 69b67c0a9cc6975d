"""The ways that are tried for a concept, the gentlest first, each as ``comparison.parse_arm`` reads it.

They are those that served at least one kind of training best: one α for all, α by role (the words and the
rest moved, the concept's own tokens left), and the LoRA turned down in one of its halves, which needs no
adjustment and is all that helps where the denoiser alone has collapsed.
"""

from __future__ import annotations

from ..components import Pipeline, adapters_in, modules, text_encoders
from ..concept import Concept
from ..pipelines import level_of

__all__ = ["family"]

LEARNED = tuple(f"tea:alpha={alpha},beta=1" for alpha in (0.1, 0.2, 0.3, 0.4, 0.6))
ONE_ALPHA = tuple(f"tea:alpha={alpha},beta=1" for alpha in (0.4, 0.6, 0.8))
BY_ROLE = tuple(f"tea:alpha={alpha},beta=1" for alpha in ("0/0/1", "0/1/1", "0.2/1/1", "0.4/1/1"))
TEXT_LORA = tuple(f"lora:text={scale}" for scale in (0.5, 0.25, 0))
DENOISER_LORA = tuple(f"lora:denoiser={scale}" for scale in (0.8, 0.6))


def family(pipe: Pipeline, concept: Concept) -> tuple[str, ...]:
    """What is worth trying for a concept in this pipeline.

    Raises: AdjustmentError, as ``apply`` at a level that is not there.
    """
    if level_of(pipe, concept) == "token":
        return LEARNED
    encoders = text_encoders(pipe)
    others = [part for name, part in modules(pipe).items() if name not in encoders]
    ways = ONE_ALPHA + BY_ROLE
    if adapters_in(encoders.values()):
        ways += TEXT_LORA
    if adapters_in(others):
        ways += DENOISER_LORA
    return ways
