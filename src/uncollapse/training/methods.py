"""The methods of training, by name. One that registers is known everywhere.

    @registered
    @dataclass(frozen=True, kw_only=True)
    class MyMethod(Settings):
        name, level, summary = "my-method", "prompt", "Learn …"

``uncollapse train my-method`` takes its settings as options, `train` trains it, its trajectory is read by its
name, and ``diagnose`` puts its checkpoints into a pipeline: all of them ask the class (``Settings``).
"""

from __future__ import annotations

from typing import Any, TypeVar

from ..errors import FileFormatError, Setting, TrainingError
from ..trajectory import NAME, Trajectory
from .settings import MAY_CHANGE, Settings

__all__ = ["METHODS", "method_of", "registered", "settings_of"]

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


def settings_of(trajectory: Trajectory, **changes: Any) -> Settings:
    """The settings that a training goes on with: its own, but for what may change on the way.

    Args:
        changes: others of those that have no part in what a step does: ``steps``, ``checkpoint_steps``, …

    Raises: TrainingError, for a change of any other, or of what is no setting of the method;
        FileFormatError, for settings that are missing or damaged.
    """
    kind, recorded, where = method_of(trajectory), trajectory.settings, trajectory.folder
    if not recorded:
        raise FileFormatError(f"{where / NAME}: holds no settings, so nobody knows how to go on. Train anew.")
    for name, value in changes.items():
        if name not in recorded:
            raise TrainingError(f"The training in '{where}' has no ", Setting(name), ": leave it out.")
        if name not in MAY_CHANGE and value != recorded[name]:
            raise TrainingError(
                f"The training in '{where}' had ",
                Setting(name),
                f"={recorded[name]!r}, not {value!r}. It goes on with what it had: leave it out, or start a "
                "new one in another folder.",
            )
    try:
        return kind(**{**recorded, **changes})
    except (TypeError, AttributeError) as error:
        raise FileFormatError(f"{where / NAME}: is damaged: its settings are no {kind.__name__}.") from error
