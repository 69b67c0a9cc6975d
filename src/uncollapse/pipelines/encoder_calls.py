"""What a pipeline's text encoders are given and return during one run of its encode step; and running the
step again with other answers from them.

An encode step is text → token ids → encoder → whatever the pipeline makes of it: a layer chosen, a template
cropped, padding zeroed, two encoders set side by side. The ids are where words can be told, the end is what
the denoiser hears. Running the step again with the encoders' answers changed *at known token positions*
carries these positions through to the end, whatever lies between, and costs no encoder forward.

An encoder's output is noted as it came, and the step gets a copy, since some write into it. Of its layers
only those that the step reads are noted.

The encoders are routed by their ``forward`` attribute, in this thread alone, and only while a run lasts.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..components import Pipeline, modules
from .cache import Answers
from .encode_step import walk

__all__ = ["EncoderCall", "EncoderCalls", "axes_of", "record", "replay", "routing"]

Args = tuple[Any, ...]
Kwargs = dict[str, Any]
Forward = Callable[..., Any]
Route = Callable[[str, Forward, Args, Kwargs], Any]


@dataclass(frozen=True)
class EncoderCall:
    """Token ids ``[rows, tokens]`` and what the encoder returned for them."""

    ids: list[list[int]]
    output: Any


EncoderCalls = dict[str, list[EncoderCall]]
"""By the component's name, in order."""


def record(
    pipe: Pipeline, run: Callable[[], Any], known: EncoderCalls | None = None, answers: Answers | None = None
) -> tuple[Any, EncoderCalls]:
    """Run an encode step and note the calls that its text encoders get.

    Args:
        known: calls of an earlier run. One that is given the same ids again is answered from there.
        answers: those kept of earlier steps, to be answered from and added to.

    Returns: the step's result, and the calls.
    """
    recording = _Recording(pipe, known or {}, answers)
    try:
        return recording.of(run)
    except Exception:
        if not recording.answered_in_part:
            raise
    return _Recording(pipe, known or {}, answers, afresh=True).of(run)  # it reads layers that were not kept


class _Recording:
    """One run of an encode step, as ``record`` notes it."""

    def __init__(
        self, pipe: Pipeline, known: EncoderCalls, answers: Answers | None, afresh: bool = False
    ) -> None:
        self.answered_in_part = False
        self._pipe, self._known, self._answers, self._afresh = pipe, known, answers, afresh
        self._parts = modules(pipe)
        self._calls: dict[str, list[_Call]] = defaultdict(list)

    def of(self, run: Callable[[], Any]) -> tuple[Any, EncoderCalls]:
        with routing(self._pipe, self._route):
            result = run()
        return result, {name: [self._noted(call) for call in calls] for name, calls in self._calls.items()}

    def _route(self, name: str, forward: Forward, args: Args, kwargs: Kwargs) -> Any:
        given = _token_ids(args, kwargs)
        if given is None:
            return forward(*args, **kwargs)
        ids, earlier = given.tolist(), self._known.get(name, [])[len(self._calls[name]) :][:1]
        key = None
        if earlier and earlier[0].ids == ids:
            output = earlier[0].output
        else:
            key, output = self._kept(name, forward, args, kwargs)
        if output is None:
            output = forward(*args, **kwargs)
        shown = _shown(output)
        self.answered_in_part |= any(layers.in_part for layers in _layers(shown).values())
        self._calls[name].append(_Call(ids, output, shown, key))
        return shown

    def _kept(self, name: str, forward: Forward, args: Args, kwargs: Kwargs) -> tuple[Hashable | None, Any]:
        """The answer that is kept, or what to keep the coming one by."""
        if self._answers is None:
            return None, None
        key = self._answers.key(self._parts[name], forward, args, kwargs)
        output = None if self._afresh else self._answers.get(key)
        if output is not None:
            return None, output
        self._answers.encoder_ran()
        return key, None

    def _noted(self, call: _Call) -> EncoderCall:
        output = _read(call.output, call.shown)
        if self._answers is not None and call.key is not None:
            self._answers.keep(call.key, output)
        return EncoderCall(call.ids, output)


@dataclass(frozen=True)
class _Call:
    ids: list[list[int]]
    output: Any
    shown: Any
    key: Hashable | None


class _Unread:
    """Stands where a layer was, in an answer that is kept."""


_UNREAD = _Unread()


class _Layers(tuple[Any, ...]):
    """An encoder's layers, as an encode step gets them: notes which it reads, refuses those not kept."""

    read: set[int]

    def __new__(cls, layers: Iterable[Any]) -> _Layers:
        made = super().__new__(cls, layers)
        made.read = set()
        return made

    @property
    def in_part(self) -> bool:
        return any(layer is _UNREAD for layer in tuple.__iter__(self))

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        if any(layer is _UNREAD for layer in (found if isinstance(at, slice) else (found,))):
            raise LookupError("this layer was not kept")
        chosen = range(len(self))[at]
        self.read.update(chosen if isinstance(chosen, range) else (chosen,))
        return found

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])


def _shown(output: Any) -> Any:
    """A copy for an encode step, which may write into what it gets."""
    copied = walk(Tensor.clone, output)
    if not isinstance(copied, dict):
        return copied
    parts = {name: _Layers(part) if type(part) is tuple else part for name, part in copied.items()}
    return type(copied)(**parts)


def _layers(shown: Any) -> dict[str, _Layers]:
    parts = shown.items() if isinstance(shown, dict) else ()
    return {name: part for name, part in parts if isinstance(part, _Layers)}


def _read(output: Any, shown: Any) -> Any:
    """``output`` without the layers that a step left unread.

    A step that takes all at once (``torch.stack(layers)``) is not seen to read any: all are left then.
    """
    layers = _layers(shown)
    if not isinstance(output, dict):
        return output
    parts = {}
    for name, part in output.items():
        read = layers[name].read if name in layers else set()
        parts[name] = tuple(x if i in read else _UNREAD for i, x in enumerate(part)) if read else part
    return type(output)(**parts)


def replay(pipe: Pipeline, run: Callable[[], Any], outputs: dict[str, list[Any]]) -> Any:
    """Run an encode step whose text encoders answer with ``outputs``, in order, and compute nothing."""
    answers = {name: iter(values) for name, values in outputs.items()}

    def route(name: str, forward: Forward, args: Args, kwargs: Kwargs) -> Any:
        return forward(*args, **kwargs) if _token_ids(args, kwargs) is None else next(answers[name])

    with routing(pipe, route):
        return run()


def axes_of(output: Tensor, call: EncoderCall) -> str | None:
    """How one tensor of an encoder's output is laid out: "rows first", "tokens first", or "pooled", a vector
    for each row; None if it holds no vectors of tokens or rows."""
    rows, tokens = len(call.ids), len(call.ids[0])
    if not output.is_floating_point():
        return None
    if output.ndim >= 3 and output.shape[:2] == (rows, tokens):
        return "rows first"
    if output.ndim >= 3 and output.shape[:2] == (tokens, rows):
        return "tokens first"
    return "pooled" if output.ndim == 2 and len(output) == rows else None


def _token_ids(args: Args, kwargs: Kwargs) -> Tensor | None:
    """The ``[rows, tokens]`` integers that a text encoder is called with."""
    for value in (kwargs.get("input_ids"), *args):
        if isinstance(value, Tensor) and value.ndim == 2 and not value.is_floating_point():
            return value
    return None


@contextmanager
def routing(pipe: Pipeline, route: Route, only: Container[str] | None = None) -> Iterator[None]:
    """Within it, ``route(name, forward, args, kwargs)`` runs in place of every component's ``forward``.

    Calls from other threads meanwhile go to the original.

    Args:
        only: names of components; others are left alone.
    """
    parts = {part: name for name, part in modules(pipe).items() if only is None or name in only}
    thread = threading.get_ident()

    def routed(name: str, forward: Forward) -> Forward:
        def run(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return forward(*args, **kwargs)
            return route(name, forward, args, kwargs)

        return run

    earlier = [(part, part.__dict__.get("forward")) for part in parts]
    try:
        for module, name in parts.items():
            module.__dict__["forward"] = routed(name, module.forward)
        yield
    finally:
        for module, forward in earlier:
            if forward is None:
                module.__dict__.pop("forward", None)
            else:
                module.__dict__["forward"] = forward
