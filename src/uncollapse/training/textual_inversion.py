"""Textual Inversion: rows of the token table are learned for a concept, and nothing else (arXiv 2208.01618).

Its prompts describe every photo in many ways (``templates``), so that the rows carry what the photos share.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .inversion import RowSettings, row_learner
from .learner import Learner, Task
from .methods import registered
from .templates import DESCRIPTIONS

__all__ = ["TextualInversion"]


@registered
@dataclass(frozen=True, kw_only=True)
class TextualInversion(RowSettings):
    """Settings of Textual Inversion; the others are `RowSettings`' and `Settings`'.

    Args:
        placeholder: the token's name, one new word: "<my-cat>".
    """

    name: ClassVar[str] = "textual-inversion"
    summary: ClassVar[str] = "Learn a token and nothing else: a few kilobytes."

    def learner(self, task: Task) -> AbstractContextManager[Learner]:
        """The learner, while the pipeline knows the placeholder."""

        def prompts(which: Tensor, generator: torch.Generator) -> list[str]:
            chosen = torch.randint(len(DESCRIPTIONS), (len(which),), generator=generator).tolist()
            return [DESCRIPTIONS[i].format(self.placeholder) for i in chosen]

        return row_learner(task, self, prompts)
