"""Nothing lost: what was computed is shown and written, also after an error or Ctrl-C in the middle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from ..models.loading import first_line

T = TypeVar("T")


class Kept(Generic[T]):
    """``known`` is what there is so far; None for nothing."""

    known: T | None = None


@contextmanager
def shown_whatever_happens(show: Callable[[T], None], noted: Callable[[T, str], T]) -> Iterator[Kept[T]]:
    """Within it, somebody fills ``known``; at its end that is shown, with a note where the end came early."""
    kept: Kept[T] = Kept()
    try:
        yield kept
    except BaseException as error:
        if kept.known is not None:
            reason = "interrupted." if isinstance(error, KeyboardInterrupt) else first_line(error)
            kept.known = noted(kept.known, f"Stopped before all was done: {reason}")
        raise
    finally:
        if kept.known is not None:
            show(kept.known)
