"""What a comparison leaves: a record a picture, and all of them together with what they were made from.

Pictures are kept on disk and opened when they are looked at, so that a comparison may have more of them than
fit into memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, overload

from ..concept import Concept
from ..metrics import Score, Share, Spread, share, spread_over_seeds
from ..metrics.scores import present
from ..models.generation import GenerationSettings
from ..output import save_png, scratch_folder
from .arms import Arm
from .prompts import ContextPrompt

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Album", "Comparison", "Images", "Record", "Value"]

Value = float | bool
"""What a score is for one picture."""


class Album:
    """A folder of pictures, as PNG, which loses no bit: by default a temporary one, gone with the album."""

    lasting = False  # whether the pictures are still there when the album is gone

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._count = 0

    def found(self, arm: Arm, asked: str, prompt: int, seed: int) -> Path | None:
        """A picture of before that is what ``keep`` would be given; None where it is to be drawn."""
        return None

    def keep(self, image: Image, arm: Arm, asked: str, prompt: int, seed: int) -> Path:
        """Write a picture that was just drawn.

        Args:
            arm, asked, seed: by which way, from what words, with which seed.
            prompt: the number of the prompt in the comparison, from 0.

        Returns: where it is.
        Raises: OutputError.
        """
        if self._folder is None:
            self._folder = scratch_folder(self)
        self._count += 1
        return save_png(image, self._folder / f"{self._count}.png", {"prompt": asked, "seed": seed})


@dataclass(frozen=True)
class Record:
    """One picture, how it was asked for, and what the measures say of it.

    Args:
        arm: the name of its arm.
        prompt: the words that the pipeline was given.
        context: what they ask for around the subject.
        seed: of its noise.
        file: where the picture is.
        scores: by their names in ``metrics.SCORES``.
    """

    arm: str
    prompt: str
    context: str
    seed: int
    file: Path
    scores: dict[str, Value] = field(default_factory=dict)

    @property
    def image(self) -> Image:
        """The picture, read from its file."""
        from PIL import Image

        with Image.open(self.file) as image:
            image.load()
        return image


class Images(Sequence["Image"]):
    """The pictures of some records, each opened when it is looked at and not kept."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> Images: ...
    def __getitem__(self, index: int | slice) -> Image | Images:
        if isinstance(index, slice):
            return Images(self._records[index])
        return self._records[index].image


@dataclass(frozen=True)
class Comparison:
    """All records of one run, arm by arm, with what they were made from.

    A temporary ``album`` is there as long as the comparison is.
    """

    concept: Concept
    arms: tuple[Arm, ...]
    prompts: tuple[ContextPrompt, ...]
    seeds: tuple[int, ...]
    settings: GenerationSettings
    records: tuple[Record, ...]
    album: Album = field(default_factory=Album, repr=False, compare=False)

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
