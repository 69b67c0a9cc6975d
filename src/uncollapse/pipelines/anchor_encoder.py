"""The frozen base text encoder, borrowed for one call.

Fine-tuning moves the text encoder, and with it what "dog" means. An anchor encoded by the tuned encoder
has drifted along with the concept, and moving toward it undoes little. So the anchor twin is encoded with
the adapters (LoRA and the rest of PEFT) switched off, or by another model's encoder, and everything is put
back afterwards, also when the call fails.

An adapter that was fused and then unloaded cannot be told from the model's own weights: pass ``base=``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from ..components import Pipeline, adapters_off, text_encoders
from ..errors import PipelineError

__all__ = ["Base", "base_encoder", "check_base", "one_at_a_time"]

Base = Pipeline | nn.Module | None
"""A pipeline, or a text encoder, that was never tuned; None for none but the pipeline's own."""


one_at_a_time = threading.RLock()
"""Held while a prompt is encoded adjusted, and while an adjustment is put in force or removed: pipelines of
several threads may share a text encoder, whose adapters go off meanwhile, and a tokenizer, whose padding and
truncation every call sets anew."""


@contextmanager
def base_encoder(pipe: Pipeline, base: Base = None) -> Iterator[bool]:
    """Within it, the pipeline encodes text as before its personalisation.

    Args:
        pipe: the personalised pipeline.
        base: a pipeline, or a text encoder, that was never tuned; None for the pipeline's own
            encoder with its adapters off.

    Yields: whether that makes a difference to how ``pipe`` would encode now.
    """
    with ExitStack() as stack:
        if base is not None:
            stack.enter_context(_swapped(pipe, _encoders_of(base)))
        had_adapters = stack.enter_context(adapters_off(text_encoders(pipe).values()))
        yield base is not None or had_adapters


def check_base(pipe: Pipeline, base: Pipeline | nn.Module) -> None:
    """Raise PipelineError unless ``base`` has an encoder to lend for each that it names."""
    ours, theirs = text_encoders(pipe), _encoders_of(base)
    if not theirs or not set(theirs) <= set(ours):
        raise PipelineError(
            f"apply(): base is a {type(base).__name__} with text encoders {sorted(theirs)}, but the pipeline "
            f"has {sorted(ours)}. Pass a pipeline of the same class, or the text encoder itself."
        )
    for name, encoder in theirs.items():
        here, there = _device(ours[name]), _device(encoder)
        if here != there:
            raise PipelineError(
                f"apply(): base's {name} is on {there} but the pipeline's is on {here}. Call "
                f"base.to({str(here)!r})."
            )


def _encoders_of(base: Pipeline | nn.Module) -> dict[str, nn.Module]:
    return {"text_encoder": base} if isinstance(base, nn.Module) else text_encoders(base)


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


@contextmanager
def _swapped(pipe: Pipeline, encoders: dict[str, nn.Module]) -> Iterator[None]:
    """Put other encoders in, past diffusers' ``__setattr__``, which would write them into its config."""
    own = {name: pipe.__dict__[name] for name in encoders}
    try:
        pipe.__dict__.update(encoders)
        yield
    finally:
        pipe.__dict__.update(own)
