"""A pipeline's own encode method: how it is wrapped, fed a changed text, and its results walked.

Nothing here knows any pipeline's layout. Arguments are bound by the method's signature, since pipelines
pass them by position; every string outside ``negative…`` arguments is a prompt; and results are walked as the
trees of tensors they are, never by their order or names.
"""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from torch import Tensor

from ..components import Pipeline
from ..errors import PipelineError
from .own_methods import give_methods

__all__ = [
    "Around",
    "Encode",
    "call",
    "changed",
    "encode_methods",
    "prompts",
    "tensors_in",
    "walk",
    "wrap_encode",
]

ENCODE_METHODS = (
    "encode_prompt",
    "encode_prompt_multiple_images",
    "_encode_prompt",
    "_encode_text_prompt",
    "_encode_prior_prompt",
)

Encode = Callable[..., Any]
"""A pipeline's own encode method, or what stands for one."""

Around = Callable[[Encode, inspect.BoundArguments], Any]
"""What runs in its place."""


def encode_methods(pipe: Pipeline) -> list[str]:
    """Names of the methods with which a pipeline encodes text."""
    return [name for name in ENCODE_METHODS if callable(getattr(pipe, name, None))]


def wrap_encode(pipe: Pipeline, around: Around) -> Callable[[], None]:
    """Route the pipeline's encode methods through ``around(encode, bound_arguments)``.

    This one pipeline is met, not its copies and no other. Calls that the encode methods make to themselves
    and to each other, and calls that ``around`` makes, go to the originals.

    Returns: the undo. If someone else has wrapped a method since, ours stays inside theirs, inert.
    """
    routed = _routed(around, threading.local())
    names = encode_methods(pipe)
    with ExitStack() as undo:
        undo.callback(give_methods(pipe, dict.fromkeys([n for n in names if n not in vars(pipe)], routed)))
        for name in set(names) & vars(pipe).keys():  # someone's own, which hides what the class has
            undo.callback(_wrap_attribute(pipe, name, routed))
        return undo.pop_all().close


def _routed(around: Around, state: threading.local) -> Callable[..., Any]:
    def run(encode: Encode, *args: Any, **kwargs: Any) -> Any:
        if getattr(state, "inside", False):
            return encode(*args, **kwargs)
        state.inside = True
        try:
            return around(encode, inspect.signature(encode).bind(*args, **kwargs))
        finally:
            state.inside = False

    return run


def _wrap_attribute(pipe: Pipeline, name: str, routed: Callable[..., Any]) -> Callable[[], None]:
    encode = pipe.__dict__[name]
    removed = threading.Event()

    @functools.wraps(encode)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return encode(*args, **kwargs) if removed.is_set() else routed(encode, *args, **kwargs)

    pipe.__dict__[name] = wrapper
    here: Callable[[], Any] = weakref.ref(pipe)
    ours: Callable[[], Any] = weakref.ref(wrapper)

    def undo() -> None:
        removed.set()
        owner, wrapped = here(), ours()
        if owner is not None and wrapped is not None and owner.__dict__.get(name) is wrapped:
            owner.__dict__[name] = wrapped.__wrapped__

    return undo


def call(encode: Encode, bound: inspect.BoundArguments, change: Callable[[str], str] | None = None) -> Any:
    """Call ``encode``, with ``change`` done to every prompt string.

    Lists are copied before each call: some pipelines write into the lists they are given.
    """
    fresh = changed(bound, change)
    return encode(*fresh.args, **fresh.kwargs)


def changed(
    bound: inspect.BoundArguments, change: Callable[[str], str] | None = None
) -> inspect.BoundArguments:
    """The arguments, with ``change`` done to every prompt string; lists are new ones."""
    arguments = {name: _mapped(name, value, change) for name, value in bound.arguments.items()}
    return inspect.BoundArguments(bound.signature, arguments)


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


def walk(change: Callable[..., Any], first: Any, *others: Any) -> Any:
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
        items = {key: walk(change, value, *(other[key] for other in others)) for key, value in first.items()}
        return type(first)(**items) if type(first) is not dict else items
    if isinstance(first, list | tuple):
        _same_build(all(type(other) is type(first) and len(other) == len(first) for other in others))
        parts: Iterator[Any] = (walk(change, *at) for at in zip(first, *others, strict=True))
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return first


def tensors_in(tree: Any) -> list[Tensor]:
    """The tensors of a result, in order."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    walk(note, tree)
    return found


def _same_build(same: bool) -> None:
    if not same:
        raise PipelineError(
            "apply(): the encode step built its result differently for the prompt and its anchor twin, so "
            "their parts cannot be matched. Encode both yourself and use uncollapse.adjust()."
        )
