"""The methods of training, by name. One that registers is known everywhere.

    @registered
    @dataclass(frozen=True, kw_only=True)
    class MyMethod(Settings):
        name, level, summary = "my-method", "prompt", "Learn …"

``uncollapse train my-method`` takes its settings as options, `train` trains it, its trajectory is read by its
name, and ``diagnose`` puts its checkpoints into a pipeline: all of them ask the class (``Settings``).
"""

from __future__ import annotations

from typing import TypeVar

from ..errors import FileFormatError
from ..trajectory import NAME, Trajectory
from .settings import Settings

__all__ = ["METHODS", "method_of", "registered"]

Method = TypeVar("Method", bound=type[Settings])
METHODS: dict[str, type[Settings]] = {}
"""The settings of each, by its name, in the order in which they were registered."""


def registered(method: Method) -> Method:
    """Make a method known by its ``name``. A class decorator."""
    METHODS[method.name] = method
    return method


def method_of(trajectory: Trajectory) -> type[Settings]:
    """The method that a trajectory is of.

    Raises: FileFormatError, for one that nobody has registered.
    """
    if trajectory.method not in METHODS:
        raise FileFormatError(
            f"{trajectory.folder / NAME}: its method is {trajectory.method!r}, none of {', '.join(METHODS)}. "
            "Use the version of uncollapse that wrote it, or import what registers the method."
        )
    return METHODS[trajectory.method]
