"""What a comparison leaves: a record a picture, and all of them together with what they were made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..concept import Concept
from ..metrics import Score, Share, Spread, share, spread_over_seeds
from ..metrics.scores import present
from ..models.generation import GenerationSettings
from .arms import Arm
from .prompts import ContextPrompt

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Comparison", "Record", "Value"]

Value = float | bool
"""What a score is for one picture."""


@dataclass(frozen=True)
class Record:
    """One image, how it was asked for, and what the measures say of it."""

    arm: str
    prompt: str
    context: str
    seed: int
    image: Image
    scores: dict[str, Value]


@dataclass(frozen=True)
class Comparison:
    """All records of one run, arm by arm, with what they were made from."""

    concept: Concept
    arms: tuple[Arm, ...]
    prompts: tuple[ContextPrompt, ...]
    seeds: tuple[int, ...]
    settings: GenerationSettings
    records: tuple[Record, ...]

    def of(self, arm: str) -> list[Record]:
        """The records of one arm: prompts in order, the seeds of each together."""
        return [record for record in self.records if record.arm == arm]

    @property
    def scores(self) -> list[Score]:
        """Those that any record has, in the order of the tables."""
        return present({name for record in self.records for name in record.scores})

    def summary(self, arm: str) -> dict[str, Share | Spread]:
        """Yes/no scores as a share with its interval, others as a mean with its spread over seeds."""
        records = self.of(arm)
        seeds = [record.seed for record in records]
        columns = {name: [record.scores[name] for record in records] for name in records[0].scores}
        return {
            name: share(map(bool, values))
            if all(isinstance(v, bool) for v in values)
            else spread_over_seeds(seeds, values)
            for name, values in columns.items()
        }
