"""What text encoders answered, kept for the next call: other seeds, other settings, the same prompts.

The encode step itself always runs, with everything that it reads (tokenizers, configs, the pipeline's own
attributes), so that nothing of it can be stale. Kept are the answers of the text encoders that it calls, each
by its ``fingerprint``: what the encoder was given, and all that it is made of, to the last weight. So a
negative prompt is encoded once for many prompts, and what has no fingerprint is encoded each time.

An answer keeps of an encoder's layers those that the encode step read. At most ``LIMIT`` bytes are held per
pipeline, on the device they came from; the oldest leave first, and all of them with the pipeline.

Reading every weight is not free. On SD 1.5's text encoder (0.5 GB), one thread of a busy machine, CPU seconds
a prompt, medians of five: plain diffusers 0.25, a new prompt 0.71, a repeated one 0.14, without a forward
(the encodes of ``benchmarks/encode_cost.py``, timed by ``time.process_time``).
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from torch import Tensor, nn

from ..components import Pipeline
from .encode_step import tensors_in
from .fingerprint import Checksums, Uncertain, fingerprint

__all__ = ["LIMIT", "Answers", "clear"]

LIMIT = 256 * 2**20

_lock = threading.Lock()
_entries: weakref.WeakKeyDictionary[Any, OrderedDict[Hashable, Any]] = weakref.WeakKeyDictionary()


class Answers:
    """The answers that are kept for a pipeline, as one encode step meets them.

    Weights are read once in its lifetime, and again after an encoder has run, which may write to its own.
    PEFT does, past autograd, where a fused adapter is switched off. So a new prompt costs two readings.
    """

    def __init__(self, pipe: Pipeline) -> None:
        with _lock:
            self._entries = _entries.setdefault(pipe, OrderedDict())
        self._checksums: Checksums = {}

    def key(self, encoder: nn.Module, forward: Any, *given: Any) -> Hashable | None:
        """What an answer is found by; None where it must be asked for.

        Args:
            encoder: the text encoder, whose ``forward`` is another's at present.
            forward: its own.
            given: the arguments.
        """
        ours = encoder.__dict__.get("forward")
        if encoder.training:
            return None
        try:
            return weakref.ref(encoder), fingerprint((encoder, forward, given), ours, self._checksums)
        except Uncertain:
            return None

    def get(self, key: Hashable | None) -> Any:
        """The answer that is kept; None if none is."""
        with _lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def keep(self, key: Hashable | None, answer: Any) -> None:
        """Keep an answer, unless it hangs on a graph of autograd's or is too large."""
        tensors = tensors_in(answer)
        if key is None or any(each.requires_grad for each in tensors) or _nbytes(answer) > LIMIT:
            return
        with _lock:
            self._entries[key] = answer
            self._entries.move_to_end(key)
            while sum(map(_nbytes, self._entries.values())) > LIMIT:
                self._entries.popitem(last=False)

    def encoder_ran(self) -> None:
        """Note that weights may have been written to."""
        self._checksums.clear()


def clear(pipe: Pipeline) -> None:
    """Forget what is kept for a pipeline."""
    with _lock:
        _entries.pop(pipe, None)


def _nbytes(answer: Any) -> int:
    held: dict[int, Tensor] = {id(tensor): tensor for tensor in tensors_in(answer)}
    return sum(tensor.nbytes for tensor in held.values())
