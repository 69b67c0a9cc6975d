"""What a test adds to a registry is gone after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def as_it_was(*registries: dict[Any, Any]) -> Iterator[None]:
    """Within it, a test may register what it likes."""
    before = [dict(each) for each in registries]
    try:
        yield
    finally:
        for registry, kept in zip(registries, before, strict=True):
            registry.clear()
            registry.update(kept)
