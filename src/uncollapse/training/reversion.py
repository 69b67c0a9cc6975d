"""ReVersion: rows of the token table are learned for a relation, "a cat <R> a stone" (arXiv 2303.13495).

Two things keep <R> from learning how the exemplars' things look. Noise levels are drawn with the density

    f(t) = (1 − a·cos(πt/T)) / T

so that high ones, where the layout of a picture is settled, come more often; and the steering loss holds
<R>'s rows near prepositions and away from the exemplars' other words (``steering``).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .inversion import RowSettings, Term, diffusion_of, row_learner
from .learner import Learner, Task
from .methods import registered
from .steering import basis_rows, steering_loss
from .token_rows import TokenRows

__all__ = ["Reversion"]


@registered
@dataclass(frozen=True, kw_only=True)
class Reversion(RowSettings):
    """Settings of ReVersion; the others are `RowSettings`' and `Settings`'.

    The photos' folder holds ``metadata.jsonl`` with a prompt for each (``captions``).

    Args:
        placeholder: the relation's name, one new word: "<R>".
        class_word: what it is in plain words: "inside", "next to".
        steering: weight of the steering loss; 0 for none, 0.01 as published.
        temperature: temperature γ of the steering loss.
        focus: how far high noise levels come before low ones, 0 to 1; 0 draws all alike, 0.5 as published.
    """

    name: ClassVar[str] = "reversion"
    summary: ClassVar[str] = "Learn a token for a relation, from photos with captions."
    example: ClassVar[str] = "<R>"
    captioned: ClassVar[bool] = True
    needs: ClassVar[Mapping[str, str]] = {**RowSettings.needs, "temperature": "steering"}

    steering: float = 0.01
    temperature: float = 0.07
    focus: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steering < 0:
            raise self.refused("steering", "it cannot be negative")
        if not self.temperature > 0:
            raise self.refused("temperature", "it must be greater than 0")
        if not 0 <= self.focus <= 1:
            raise self.refused("focus", "it must be between 0 and 1")

    def learner(self, task: Task) -> AbstractContextManager[Learner]:
        """The learner, while the pipeline knows the placeholder."""

        def prompts(which: Tensor, generator: torch.Generator) -> list[str]:
            return [task.captions[i] for i in which.tolist()]

        return row_learner(task, self, prompts, focus=self.focus, term=self._steering(task))

    def _steering(self, task: Task) -> Term | None:
        """The steering loss, weighted; None without it."""
        if not self.steering:
            return None
        basis = basis_rows(diffusion_of(task.family).pipe, task.captions, self.placeholder)
        if any(not len(positives) for positives, _ in basis.values()):
            raise self.refused("steering", "the tokenizer has no preposition as a token of its own; use 0")

        def term(learned: Mapping[str, TokenRows]) -> Tensor:
            each = [
                steering_loss(learned[name].rows, *rows, self.temperature) for name, rows in basis.items()
            ]
            return self.steering * torch.stack(each).mean()

        return term
