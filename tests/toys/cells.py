"""Cells as an evaluation leaves them, of figures that a test makes up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np

from uncollapse.evaluation import Cell

CONTEXT = "clip_t|toy|text=context|mean"
LIKENESS = "clip_i|toy|refs=all|mean"
CONCEPTS = ("cat", "dog", "teapot")
PROMPTS = ("a photo of {} in the snow", "a photo of {} on the beach")
ARMS = ("personalised", "TEA α 0.2")


def cells_of(
    value: Callable[[str, str, str, int], float | None],
    concepts: Iterable[str] = CONCEPTS,
    arms: Iterable[str] = ARMS,
    prompts: Iterable[str] = PROMPTS,
    seeds: int = 2,
    score: str = CONTEXT,
    method: str = "LoRA",
) -> list[Cell]:
    """A cell for each concept, arm, prompt and seed, of the value that the function gives it."""
    return [
        Cell(concept, method, arm, prompt, seed, score, value(concept, arm, prompt, seed))
        for concept, arm, prompt, seed in product(concepts, arms, prompts, range(seeds))
    ]


def random_cells(
    concepts: int = 5, prompts: int = 3, seeds: int = 2, gain: float = 1.0, number: int = 0, **how: object
) -> list[Cell]:
    """Figures that vary between concepts, prompts and seeds, the second arm's higher by ``gain``."""
    random = np.random.default_rng(number)
    names = [f"concept {i}" for i in range(concepts)]
    asked = [f"{{}} at place {i}" for i in range(prompts)]
    of_concept = {name: random.normal(0, 1, 2) for name in names}
    of_prompt = {(name, prompt): random.normal(0, 1, 2) for name in names for prompt in asked}

    def value(concept: str, arm: str, prompt: str, seed: int) -> float:
        i = ARMS.index(arm)
        return 20 + gain * i + of_concept[concept][i] + of_prompt[concept, prompt][i] + random.normal()

    return cells_of(value, names, ARMS, asked, seeds, **how)
