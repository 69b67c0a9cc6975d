"""Between `train` and the methods: what a method is given, and what it hands to the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .families import Family
from .latents import Latents

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Group", "Learner", "Task"]


@dataclass(frozen=True)
class Task:
    """What a method is given.

    Args:
        family: the pipeline that learns; frozen.
        photos: of the concept.
        folder: the output folder.
        metadata: what every file says: class word, base model.
        accelerator: for what one process does for all.
        captions: the photos' own prompts; none for methods that write theirs.
    """

    family: Family
    photos: Latents
    folder: Path
    metadata: Mapping[str, str]
    accelerator: Accelerator
    captions: Sequence[str] = ()


@dataclass(frozen=True)
class Group:
    """Parameters that share a rate, by names that a resumed run finds them under.

    They move in the steps from ``first`` on, before ``last`` where that is given.
    """

    parameters: Mapping[str, nn.Parameter]
    lr: float
    first: int = 0
    last: int | None = None

    def moves_at(self, step: int) -> bool:
        """Whether they move in this step, the first being 0."""
        return self.first <= step and (self.last is None or step < self.last)


@dataclass(frozen=True)
class Learner:
    """One method at work on one pipeline.

    Args:
        groups: what moves; everything else is frozen.
        loss: the mean loss of a batch that it draws with the generator it is given.
        save: write what was learned to a path, with the number of steps that it took.
        result: the name, in the output folder, of what is written at the end; "" for the folder itself.
        suffix: of a checkpoint's file; "" for a folder.
        after_step: what the optimiser's step is followed by.
        drift: mean norm of the learned rows and cosine to the class word's; None where none are learned.
    """

    groups: Sequence[Group]
    loss: Callable[[torch.Generator], Tensor]
    save: Callable[[Path, int], object]
    result: str
    suffix: str = ".safetensors"
    after_step: Callable[[], None] = lambda: None
    drift: Callable[[], tuple[float | None, float | None]] = lambda: (None, None)
