"""A pipeline's own encode method: how it is wrapped, fed a changed text, and its results compared.

Nothing here knows any pipeline's layout. Arguments are bound by the method's signature, since pipelines
pass them by position; every string outside ``negative…`` arguments is a prompt; and what belongs to the
prompt among the results is found by comparing the results of two calls, not by their order or names.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ..errors import PipelineError

__all__ = ["call", "compare", "prompts", "token_ids_given", "wrap_encode"]

METHOD = "encode_prompt"

Around = Callable[[Callable, inspect.BoundArguments], Any]


def wrap_encode(pipe, around: Around) -> Callable[[], None]:
    """Route ``pipe.encode_prompt`` through ``around(encode, bound_arguments)``.

    The wrapper is an attribute of this one pipeline, so no other pipeline meets it. Calls that the encode
    method makes to itself, and calls that ``around`` makes, go to the original.

    Returns: the undo. If someone else has wrapped the method since, ours stays inside theirs, inert.
    Raises: PipelineError, when the pipeline has no such method.
    """
    encode = getattr(pipe, METHOD, None)
    if encode is None:
        raise PipelineError(
            f"apply(): {type(pipe).__name__} has no {METHOD}(), so its prompt embeddings cannot be reached. "
            "Encode the prompt and its anchor yourself and use uncollapse.adjust()."
        )
    signature, earlier = inspect.signature(encode), pipe.__dict__.get(METHOD)
    state = threading.local()
    removed = threading.Event()

    @functools.wraps(encode)
    def wrapper(*args, **kwargs):
        if removed.is_set() or getattr(state, "inside", False):
            return encode(*args, **kwargs)
        state.inside = True
        try:
            return around(encode, signature.bind(*args, **kwargs))
        finally:
            state.inside = False

    def undo() -> None:
        removed.set()
        if pipe.__dict__.get(METHOD) is wrapper:
            pipe.__dict__.pop(METHOD)
            if earlier is not None:
                pipe.__dict__[METHOD] = earlier

    object.__setattr__(pipe, METHOD, wrapper)
    return undo


def call(encode: Callable, bound: inspect.BoundArguments, change: Callable[[str], str] | None = None) -> Any:
    """Call ``encode``, with ``change`` done to every prompt string.

    Lists are copied before each call: some pipelines write into the lists they are given.
    """
    arguments = {name: _mapped(name, value, change) for name, value in bound.arguments.items()}
    fresh = inspect.BoundArguments(bound.signature, arguments)
    return encode(*fresh.args, **fresh.kwargs)


def _mapped(name: str, value: Any, change: Callable[[str], str] | None) -> Any:
    if isinstance(value, str):
        return value if change is None or name.startswith("negative") else change(value)
    if isinstance(value, dict):
        inner = {key: f"negative.{key}" if name.startswith("negative") else str(key) for key in value}
        return {key: _mapped(inner[key], item, change) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_mapped(name, item, change) for item in value)
    return value


def prompts(bound: inspect.BoundArguments) -> dict[str, list[str]]:
    """The strings of each argument that is not negative, by argument name, in order."""
    found: dict[str, list[str]] = {}
    for name, value in bound.arguments.items():
        strings: list[str] = []

        def note(text: str, into: list[str] = strings) -> str:
            into.append(text)
            return text

        _mapped(name, value, note)
        if strings:
            found[name] = strings
    return found


@contextmanager
def token_ids_given(encoders: Iterable[nn.Module]) -> Iterator[set[tuple[int, ...]]]:
    """Note every row of token ids that these text encoders are given meanwhile."""
    given: set[tuple[int, ...]] = set()

    def note(module: nn.Module, args: tuple, kwargs: dict) -> None:
        for value in (*args, *kwargs.values()):
            if isinstance(value, Tensor) and value.ndim == 2 and not value.is_floating_point():
                given.update(map(tuple, value.tolist()))

    hooks = [encoder.register_forward_pre_hook(note, with_kwargs=True) for encoder in encoders]
    try:
        yield given
    finally:
        for hook in hooks:
            hook.remove()


def compare(change: Callable[..., Any], first: Any, *others: Any) -> Any:
    """Walk results of the same call side by side and rebuild the first, with ``change`` done to its tensors.

    Args:
        change: ``change(tensor, *tensors_at_the_same_place) -> tensor``.

    Raises: PipelineError, when the results are built differently.
    """
    if isinstance(first, Tensor):
        _same_build(all(isinstance(other, Tensor) for other in others))
        return change(first, *others)
    if isinstance(first, dict):
        _same_build(all(isinstance(other, dict) and other.keys() == first.keys() for other in others))
        items = {
            key: compare(change, value, *(other[key] for other in others)) for key, value in first.items()
        }
        return type(first)(**items) if type(first) is not dict else items
    if isinstance(first, list | tuple):
        _same_build(all(type(other) is type(first) and len(other) == len(first) for other in others))
        parts: Iterator = (compare(change, *at) for at in zip(first, *others, strict=True))
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return first


def _same_build(same: bool) -> None:
    if not same:
        raise PipelineError(
            f"apply(): {METHOD}() built its result differently for the prompt and for its anchor twin, so "
            "their parts cannot be matched. Encode both yourself and use uncollapse.adjust()."
        )
