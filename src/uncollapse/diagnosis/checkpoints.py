"""The checkpoints of a training, put into one pipeline in turn, each the way its method says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..training import method_of
from ..trajectory import Checkpoint, Trajectory

__all__ = ["states"]


def states(
    trajectory: Trajectory, pipe: Any, load_base: Callable[[], Any]
) -> Iterator[tuple[Checkpoint, Any]]:
    """Each checkpoint with a pipeline that is in its state while it is out.

    Args:
        pipe: of the base model; it is that pipeline, where the method can take a checkpoint out again.
        load_base: a new one, for methods that change the model's own weights.

    Raises: UncollapseError, naming the file of a checkpoint that is unreadable or of something else.
    """
    method = method_of(trajectory)
    for checkpoint in trajectory.checkpoints:
        path = trajectory.path(checkpoint)
        with method.loaded(pipe, path, trajectory.placeholder, load_base) as tuned:
            yield checkpoint, tuned
