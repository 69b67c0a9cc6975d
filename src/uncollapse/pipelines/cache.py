"""Encoded prompts kept for the next call: other seeds, other settings, the same prompts.

An entry is found by the encode step's arguments, the concepts' words and the base, and is used only while
everything that made it is as it was:

    the encode method, and the pipeline's tokenizers and text encoders: the same objects
    their weights: autograd's version counter of every parameter and buffer, which every in-place write
        moves, and a sample of sixteen values of each, which betrays writes past it (``weight.data += …``,
        as PEFT merges a LoRA)
    their adapters: which are on, active, merged, and how they are scaled
    whether guidance wants a negative prompt encoded (modular pipelines)
    hooks on them, their dtype and device, training mode, autograd's and autocast's modes

What a program changes by other means (a chosen value, past autograd, that no sample meets) is not seen:
``clear(pipe)`` forgets everything. Calls with arguments other than text, numbers, devices and lists of these
(images, tensors, generators) encode each time, and so do encoders in training mode and results that carry
gradients. At most ``LIMIT`` bytes are held per pipeline, on the device they came from; the oldest entries
leave first, and all of them with the pipeline.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor, nn

from ..components import Pipeline, text_encoders, tokenizers
from .anchor_encoder import Base
from .encoded import Encoded

__all__ = ["LIMIT", "cached", "clear", "frozen"]

LIMIT = 256 * 2**20

_lock = threading.Lock()
_entries: weakref.WeakKeyDictionary[Any, OrderedDict[Hashable, tuple[Hashable, Encoded]]]
_entries = weakref.WeakKeyDictionary()


def cached(pipe: Pipeline, base: Base, key: Hashable | None, encode: Callable[[], Encoded]) -> Encoded:
    """``encode()``, or what it returned when it was last called with this key and this state of things.

    Args:
        pipe, base: whose text encoders encode.
        key: everything else that the result depends on; None where it cannot be told (``frozen``).
    """
    modules = [*text_encoders(pipe).values(), *_modules(base)]
    if key is None or any(module.training for module in modules):
        return encode()

    def state() -> Hashable:
        seen_by = tuple((id(t), len(t)) for t in tokenizers(pipe))
        return _state_of(modules), seen_by, _guidance(pipe), _modes()

    with _lock:
        entries = _entries.setdefault(pipe, OrderedDict())
        found = entries.get(key)
        if found is not None and found[0] == state():
            entries.move_to_end(key)
            return found[1]
    encoded = encode()
    if not encoded.requires_grad and encoded.nbytes <= LIMIT:
        with _lock:
            # As things are now: transformers hooks an encoder's layers when first asked for all of them.
            entries[key] = (state(), encoded)
            entries.move_to_end(key)
            while sum(kept.nbytes for _, kept in entries.values()) > LIMIT:
                entries.popitem(last=False)
    return encoded


def clear(pipe: Pipeline) -> None:
    """Forget what is kept for a pipeline."""
    with _lock:
        _entries.pop(pipe, None)


def frozen(value: Any) -> Hashable:
    """``value`` as part of a key.

    Raises: TypeError, for anything but text, numbers, devices, dtypes, and lists and dicts of these.
    """
    if value is None or isinstance(value, str | int | float | torch.device | torch.dtype):
        return type(value).__name__, value
    if isinstance(value, list | tuple):
        return type(value).__name__, *(frozen(item) for item in value)
    if isinstance(value, dict):
        return "dict", *((key, frozen(item)) for key, item in value.items())
    raise TypeError(f"{type(value).__name__} is no part of a key")


def _modules(base: Base) -> list[nn.Module]:
    if base is None:
        return []
    return [base] if isinstance(base, nn.Module) else list(text_encoders(base).values())


def _guidance(pipe: Pipeline) -> Hashable:
    guider = getattr(pipe, "guider", None)
    return guider and (guider.num_conditions, guider._enabled)


def _modes() -> Hashable:
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cuda"),
        torch.is_autocast_enabled("cpu"),
    )


def _state_of(modules: list[nn.Module]) -> Hashable:
    return tuple(
        (id(module), tuple(map(_settings_of, module.modules())), _weights_of(module)) for module in modules
    )


def _settings_of(module: nn.Module) -> Hashable:
    """What a module does besides its weights: PEFT's switches, hooks, a replaced ``forward``."""
    return (
        getattr(module, "_disable_adapters", None),
        repr(getattr(module, "_active_adapter", None)),
        repr(getattr(module, "merged_adapters", None)),
        repr(getattr(module, "scaling", None)),
        tuple(module._forward_hooks),
        tuple(module._forward_pre_hooks),
        id(module.__dict__.get("forward")),
    )


@torch.no_grad()
def _weights_of(module: nn.Module) -> Hashable:
    tensors = [*module.parameters(), *module.buffers()]
    samples: dict[Hashable, list[Tensor]] = {}
    for tensor in tensors:
        if tensor.numel() and tensor.device.type != "meta":
            samples.setdefault((tensor.dtype, tensor.device), []).append(_sample(tensor))
    values = tuple(tuple(torch.cat(of).tolist()) for of in samples.values())  # in one go, for speed
    return tuple((id(t), t.dtype, t.device, _version(t)) for t in tensors), values


def _sample(tensor: Tensor) -> Tensor:
    """Sixteen values, or as many as there are, at equal distances from end to end: a view."""
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, (len(flat) - 1) // 15)][:16]


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version
