"""What a test run checks of the shapes that the library states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beartype import beartype

CHECKED = (
    "uncollapse.geometry",
    "uncollapse.adjustment",
    "uncollapse.anchors",
    "uncollapse.metrics.clip",
    "uncollapse.metrics.sets.bootstrap",
    "uncollapse.metrics.sets.covariance",
    "uncollapse.metrics.sets.distances",
    "uncollapse.metrics.sets.spread",
)


def shapes_alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """Checks what is stated with a shape; what else a function is given is its own and mypy's business."""
    for name, hint in function.__annotations__.items():
        if "jaxtyping." not in repr(hint):
            function.__annotations__[name] = Any
    return beartype(function)
