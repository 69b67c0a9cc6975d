"""What a killed run goes on from: one file, written whole or not at all.

It holds what moves, the optimiser's state and every loss so far; the frozen model is not in it. Nothing of
random generators is kept, since what a step draws depends on the seed and the step's number alone.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..admission import check_tensors, torch_from
from ..errors import FileFormatError, TrainingError, UncollapseWarning
from ..output import save_torch
from ..trajectory import Checkpoint
from .settings import Settings

__all__ = ["STATE", "State", "load_state", "put_back", "save_state"]

STATE = "state.pt"
PHOTOS = "photos"
MAY_CHANGE = {  # when a run goes on: what has no part in what a step does
    "steps",
    "checkpoint_steps",
    "validation_prompt",
    "preview_every",
    "save_every",
    "gradient_checkpointing",
    "tensorboard",
    "kohya",
}


@dataclass
class State:
    """Where a run stands: after ``len(losses)`` steps."""

    losses: list[float] = field(default_factory=list)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    parameters: dict[str, torch.Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> int:
        return len(self.losses)

    def check(self) -> None:
        """Raise TypeError or ValueError, unless it is what ``save_state`` writes."""
        for each in self.checkpoints:
            Checkpoint(**each)
        if not all(isinstance(loss, float) and math.isfinite(loss) for loss in self.losses):
            raise ValueError("losses that are no numbers")
        if not all(each.isfinite().all() for each in self.parameters.values()):
            raise ValueError("parameters that are no numbers")


def save_state(
    folder: Path, state: State, settings: Settings, base_model: str, photos: Sequence[str] = ()
) -> None:
    """Raises: OutputError; the state before is then still there."""
    data = {**vars(state), "run": {**_run(settings, base_model), PHOTOS: list(photos)}}
    save_torch(data, folder / STATE)


def load_state(folder: Path, settings: Settings, base_model: str, photos: Sequence[str] = ()) -> State | None:
    """The state that a run with these settings left; None where it left none.

    Args:
        photos: the checksums of those that it learns from. A state of earlier versions does not have them,
            and is taken with a warning.

    Raises: FileFormatError, when it is damaged; TrainingError, when other settings or photos made it.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        data = torch_from(path)
        check_tensors(data, path)
        before = dict(data.pop("run"))
        state = State(**data)
        state.check()
    except Exception as error:  # torch and pickle raise whatever the bytes lead them to
        raise _unreadable(path) from error
    for name, value in _run(settings, base_model).items():
        if before.get(name) != value:
            raise TrainingError(
                f"The training in '{folder}' had {name}={before.get(name)!r}, not {value!r}. Resume it with "
                "what it had, or start a new one in another folder."
            )
    _check_photos(folder, before, photos)
    return state


def _check_photos(folder: Path, before: Mapping[str, Any], photos: Sequence[str]) -> None:
    learned = before.get(PHOTOS)
    if learned is None:
        warnings.warn(
            f"The training in '{folder}' does not say which photos it has learned from, so nobody knows "
            "whether it goes on with the same. Make sure that they are.",
            UncollapseWarning,
            stacklevel=3,
        )
    elif learned != list(photos):
        other = len(set(photos) - set(learned))
        raise TrainingError(
            f"The training in '{folder}' has learned from {len(learned)} photos, and here are {len(photos)}, "
            f"{other} of them new to it. Resume it with those that it had, or start a new one in another "
            "folder."
        )


def put_back(
    state: State, folder: Path, parameters: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Give what moves, and its optimiser, the state's values.

    Raises: FileFormatError, when they are of another shape.
    """
    shapes = {name: each.shape for name, each in state.parameters.items()}
    if shapes != {name: each.shape for name, each in parameters.items()}:
        raise _unreadable(folder / STATE)
    try:
        optimizer.load_state_dict(state.optimizer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(folder / STATE) from error
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state.parameters[name])


def _unreadable(path: Path) -> FileFormatError:
    return FileFormatError(
        f"'{path}' cannot be read, so this training cannot go on. Start it anew in another folder."
    )


def _run(settings: Settings, base_model: str) -> dict[str, Any]:
    """What a run must share with the one that it goes on from."""
    fixed = {name: value for name, value in asdict(settings).items() if name not in MAY_CHANGE}
    return {"method": type(settings).__name__, "base_model": base_model, **fixed}
