"""The folder that a command draws into: a PNG for each picture, which says how it was made."""

from __future__ import annotations

import json
import re
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ..comparison import Album, Arm
from ..output import save_png, saved_settings

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PictureFolder"]


class PictureFolder(Album):
    """A PNG for each record, its settings inside; the name says prompt, arm and seed.

    A picture of other settings keeps its name, and the new one gets a number.

    Args:
        folder: where they go.
        run: what made them, beside prompt, arm and seed.
        prompts: how many there are; they may begin alike, so several are numbered.
        resume: whether a picture that was made with the same settings is taken as it is.
    """

    lasting = True

    def __init__(self, folder: Path, run: dict[str, object], prompts: int, *, resume: bool = False) -> None:
        super().__init__()
        self.folder, self.run, self.prompts, self.resume = folder, run, prompts, resume
        self.names: set[Path] = set()

    @property
    def says(self) -> str:
        """How many pictures there are, and where, in words."""
        there = len(self.names)
        return f"{there} picture{'s are' if there != 1 else ' is'} in '{self.folder}'"

    def found(self, arm: Arm, asked: str, prompt: int, seed: int) -> Path | None:
        path = self._path(arm, asked, prompt, seed)
        if not (self.resume and path.exists()):
            return None
        self.names.add(path)
        return path

    def keep(self, image: Image, arm: Arm, asked: str, prompt: int, seed: int) -> Path:
        path = self._path(arm, asked, prompt, seed)
        save_png(image, path, self._settings(arm, asked, seed))
        self.names.add(path)
        return path

    def _path(self, arm: Arm, asked: str, prompt: int, seed: int) -> Path:
        """The first of its names that is free, or holds this very picture."""
        number = f"{prompt + 1}-" if self.prompts > 1 else ""
        stem = f"{number}{_slug(asked)}-{_slug(arm.name)}-seed{seed}"
        settings = json.loads(json.dumps(self._settings(arm, asked, seed)))
        paths = (self.folder / f"{stem}{f'-{again + 1}' if again else ''}.png" for again in count())
        free = (path for path in paths if path not in self.names)
        return next(path for path in free if not path.exists() or saved_settings(path) == settings)

    def _settings(self, arm: Arm, asked: str, seed: int) -> dict[str, object]:
        adjustment = arm.adjuster.settings() if arm.adjuster else None
        return self.run | {"prompt": asked, "seed": seed, "arm": arm.name, "adjustment": adjustment}


def _slug(text: str, longest: int = 60) -> str:
    """``text`` as part of a file name."""
    return re.sub(r"[^\w.]+", "-", text.replace("α ", "")).strip("-.")[:longest]
