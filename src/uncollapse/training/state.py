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
from ..errors import FileFormatError, Setting, TrainingError, UncollapseWarning
from ..output import save_torch
from ..trajectory import Checkpoint
from .settings import MAY_CHANGE, Settings

__all__ = ["STATE", "State", "load_state", "put_back", "save_state"]

STATE = "state.pt"


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
    folder: Path, state: State, settings: Settings, base_model: str, seen: Mapping[str, Sequence[str]]
) -> None:
    """Raises: OutputError; the state before is then still there."""
    what = {name: list(each) for name, each in seen.items()}
    save_torch({**vars(state), "run": {**_run(settings, base_model), **what}}, folder / STATE)


def load_state(
    folder: Path, settings: Settings, base_model: str, seen: Mapping[str, Sequence[str]]
) -> State | None:
    """The state that a run with these settings left; None where it left none.

    Args:
        seen: what it learns from: the checksums of the "photos", their "captions" where it reads any. A state
            of earlier versions does not have them, and is taken with a warning.

    Raises: FileFormatError, when it is damaged; TrainingError, when other settings, photos or captions made
        it.
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
                f"The training in '{folder}' had ",
                Setting(name) if hasattr(settings, name) else name,
                f"={before.get(name)!r}, not {value!r}. Resume it with what it had, or start a new one in "
                "another folder.",
            )
    for what, now in seen.items():
        _check_seen(folder, what, before.get(what), list(now))
    return state


def _check_seen(folder: Path, what: str, before: Any, now: list[str]) -> None:
    if before is None:
        warnings.warn(
            f"The training in '{folder}' does not say which {what} it has learned from, so nobody knows "
            "whether it goes on with the same. Make sure that they are.",
            UncollapseWarning,
            stacklevel=4,
        )
    elif before != now:
        raise TrainingError(
            f"The training in '{folder}' has learned from {len(before)} {what}, and here are {len(now)}, "
            f"{len(set(now) - set(before))} of them new to it. Resume it with those that it had, or start a "
            "new one in another folder."
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
