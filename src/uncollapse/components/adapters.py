"""Adapters off, or weaker, for a while: LoRA and the rest of PEFT, put back bit for bit, whatever happens.

An adapter that was fused and then unloaded cannot be told from the model's own weights.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import nn

from ..errors import PipelineError
from .parts import modules
from .protocols import Pipeline

__all__ = [
    "adapter_tensors",
    "adapters_in",
    "adapters_off",
    "adapters_scaled",
    "has_adapters",
    "without_adapters",
]


def without_adapters(pipe: Pipeline) -> AbstractContextManager[bool]:
    """Within it, the pipeline draws as before its personalisation, as far as that is in adapters.

    Yields: whether any adapter was on.
    """
    return adapters_off(modules(pipe).values())


def has_adapters(pipe: Pipeline) -> bool:
    """Whether any adapter of the pipeline is on."""
    return adapters_in(modules(pipe).values())


def adapters_in(parts: Iterable[nn.Module]) -> bool:
    """Whether any adapter of these parts is on."""
    return not all(layer._disable_adapters for part in parts for layer in _layers(part))


def adapter_tensors(pipe: Pipeline) -> dict[str, dict[str, torch.Tensor]]:
    """The weights of the active adapters, by part and name; parts without any are left out.

    Names leave out what an adapter is called, which differs with how it was loaded.
    """
    found: dict[str, dict[str, torch.Tensor]] = {}
    for part, module in modules(pipe).items():
        for path, layer in _named_layers(module):
            for kind in getattr(layer, "adapter_layer_names", ()):
                held = getattr(layer, kind)
                for i, name in enumerate(each for each in layer.active_adapters if each in held):
                    own = held[name]
                    weights = {"": own} if isinstance(own, torch.Tensor) else dict(own.named_parameters())
                    for key, weight in weights.items():
                        found.setdefault(part, {})[f"{path}.{kind}.{i}.{key}"] = weight
    return found


@contextmanager
def adapters_off(parts: Iterable[nn.Module]) -> Iterator[bool]:
    """Switch off every PEFT layer, and leave which were on, active or merged as it was.

    PEFT's own ``enable_adapters`` also rewrites ``requires_grad`` and the active names, so only the flag it
    sets is set here. A merged layer unmerges itself when it runs switched off, and merging again would
    round differently: its weights are copied and put back.

    Yields: whether any was on.
    """
    layers = [layer for part in parts for layer in _layers(part)]
    were_off = [layer._disable_adapters for layer in layers]
    merged = [
        (layer, list(layer.merged_adapters), _copies(layer)) for layer in layers if layer.merged_adapters
    ]
    try:
        for layer in layers:
            layer._disable_adapters = True
        yield not all(were_off)
    finally:
        for layer, was_off in zip(layers, were_off, strict=True):
            layer._disable_adapters = was_off
        for layer, adapters, weights in merged:
            layer.merged_adapters = adapters
            with torch.no_grad():
                for parameter, copy in weights:
                    parameter.copy_(copy)


@contextmanager
def adapters_scaled(caller: str, parts: Iterable[nn.Module], factor: float) -> Iterator[bool]:
    """Multiply what every PEFT layer adds by ``factor``.

    Yields: whether there was any that is on.
    Raises: PipelineError, for a layer whose share cannot be scaled: one that is fused into the weights, or
        replaces them, as modules that were trained whole do.
    """
    layers = [layer for part in parts for layer in _layers(part) if not layer._disable_adapters]
    for layer in layers:
        if getattr(layer, "merged_adapters", None):
            raise PipelineError(
                f"{caller}: an adapter is fused into the model's weights, so its strength cannot be changed. "
                "Load it without fusing it."
            )
        if not isinstance(getattr(layer, "scaling", None), dict):
            raise PipelineError(
                f"{caller}: {type(layer).__name__} holds weights that were trained whole, which have no "
                "strength to change."
            )
    before = [dict(layer.scaling) for layer in layers]
    try:
        for layer in layers:
            layer.scaling = {name: scale * factor for name, scale in layer.scaling.items()}
        yield bool(layers)
    finally:
        for layer, scaling in zip(layers, before, strict=True):
            layer.scaling = scaling


def _layers(module: nn.Module) -> list[Any]:
    return [layer for _, layer in _named_layers(module)]


def _named_layers(module: nn.Module) -> list[tuple[str, Any]]:
    if "peft" not in sys.modules:  # never imported, so nothing can be wrapped by it
        return []
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    kinds = BaseTunerLayer | AuxiliaryTrainingWrapper
    return [(name, layer) for name, layer in module.named_modules() if isinstance(layer, kinds)]


def _copies(layer: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
    base = layer.get_base_layer() if hasattr(layer, "get_base_layer") else layer.original_module
    return [(parameter, parameter.detach().clone()) for parameter in base.parameters()]
