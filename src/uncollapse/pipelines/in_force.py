"""What is in force: which pipeline and which text encoder is adjusted, by which handle, and how it is undone.

A pipeline is adjusted by one handle at a time, and so are the learned rows of a text encoder. An encoder
whose rows one handle has adjusted is heard adjusted by every pipeline that shares it, so none of them may
adjust at prompt level what comes out of it: that would be moved twice.

Nothing here keeps a pipeline or an encoder alive, and an undo must not either.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from ..components import Pipeline, TextEncoder, inner_pipelines, text_encoders
from ..concept import Concept
from ..errors import PipelineError
from .anchor_encoder import one_at_a_time

__all__ = ["Handle", "claim", "claim_output", "claim_rows", "remove"]

Undo = Callable[[], None]


class Handle:
    """An adjustment in force. Leave its ``with`` block, or call ``remove()``, to undo it."""

    def __init__(self, concepts: tuple[Concept, ...]) -> None:
        self.concepts = concepts
        self._undo: list[Undo] = []

    def remove(self) -> None:
        """Give the pipeline back as it was, bit for bit. A second call does nothing.

        Raises: PipelineError, when learned rows cannot be reached now. Everything else is undone then, and
            calling it again, once they can be, undoes the rest.
        """
        with one_at_a_time:
            left: list[Undo] = []
            errors: list[Exception] = []
            while self._undo:
                undo = self._undo.pop()
                try:
                    undo()
                except Exception as error:
                    left.insert(0, undo)
                    errors.append(error)
            self._undo = left
            if errors:
                raise errors[0]
            _release(self)

    def undo_by(self, undo: Undo) -> None:
        """Have ``undo`` called on removal, the last one first."""
        self._undo.append(undo)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"Handle({', '.join(map(repr, self.concepts))})"


_adjusted: weakref.WeakKeyDictionary[Any, Handle] = weakref.WeakKeyDictionary()
"""Pipelines, and text encoders whose rows are adjusted."""

_heard: weakref.WeakKeyDictionary[Any, weakref.WeakSet[Handle]] = weakref.WeakKeyDictionary()
"""Text encoders whose output some pipeline adjusts."""


def remove(pipe: Pipeline) -> None:
    """Undo what adjusts a pipeline, whoever holds the handle: ``handle.remove()`` for a handle that was lost.

    An adjustment of learned rows is undone for all pipelines that share the text encoder. Where nothing is
    adjusted, nothing happens.

    Args:
        pipe: the pipeline that was given to ``apply``, or one that shares its parts.

    Raises: PipelineError, as ``Handle.remove``.
    """
    with one_at_a_time:
        pipes = [pipe, *inner_pipelines(pipe).values()]
        encoders = [encoder for each in pipes for encoder in text_encoders(each).values()]
        for owner in (*pipes, *encoders):
            handle = _adjusted.get(owner)
            if handle is not None:
                handle.remove()


def claim(pipe: Pipeline, handle: Handle) -> None:
    """Note that ``handle`` adjusts a pipeline.

    Raises: PipelineError, when another does.
    """
    _refuse_second(pipe, handle)
    _adjusted[pipe] = handle


def claim_rows(encoder: TextEncoder, handle: Handle) -> None:
    """Note that ``handle`` adjusts rows of a text encoder.

    Raises: PipelineError, when another does, or when another adjusts what comes out of it.
    """
    _refuse_second(encoder, handle)
    if any(other is not handle for other in _heard.get(encoder, ())):
        raise PipelineError(
            f"apply(): another pipeline shares this {type(encoder).__name__} and adjusts at prompt level "
            "what comes out of it. Adjusting its rows as well would move that twice. Remove the other's "
            "adjustment first: its handle.remove(), or uncollapse.remove(pipe) with that pipeline."
        )
    _adjusted[encoder] = handle


def claim_output(encoder: Any, handle: Handle) -> None:
    """Note that ``handle`` adjusts what comes out of a text encoder. Several may.

    Raises: PipelineError, when another adjusts its rows.
    """
    _refuse_second(encoder, handle)
    _heard.setdefault(encoder, weakref.WeakSet()).add(handle)


def _refuse_second(owner: Any, handle: Handle) -> None:
    if _adjusted.get(owner, handle) is not handle:
        raise PipelineError(
            f"apply(): this {type(owner).__name__} is adjusted already, and adjusting it again would "
            "move it twice. Call handle.remove() first, or uncollapse.remove(pipe), or pass all concepts at "
            "once: apply(pipe, [Concept(…), …])."
        )


def _release(handle: Handle) -> None:
    for owner in [owner for owner, its in _adjusted.items() if its is handle]:
        del _adjusted[owner]
    for handles in _heard.values():
        handles.discard(handle)
