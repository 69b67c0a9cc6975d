"""Which text encoder each number of a result comes from, so that some can be moved and others left.

    clip_l, clip_g, t5xxl, …    what an encoder says of each token, by the name that files give the encoder
    pooled                      what encoders say of a prompt as a whole

The encode step runs once more for each of these, its vectors changed: the numbers that then differ are its
own. Where a pipeline sets two encoders side by side they share vectors, but no number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..components import Pipeline, encoder_names
from ..errors import AdjustmentError
from .encode_step import tensors_in, walk
from .encoder_calls import EncoderCall, EncoderCalls, axes_of, replay

__all__ = ["POOLED", "numbers_of", "source_names"]

POOLED = "pooled"


def source_names(pipe: Pipeline) -> list[str]:
    """The pipeline's text encoders, by the names that files give them, and ``POOLED``."""
    return [*dict.fromkeys(encoder_names(pipe).values()), POOLED]


def numbers_of(
    pipe: Pipeline, run: Callable[[], Any], result: Any, calls: EncoderCalls, names: Collection[str]
) -> Any:
    """Which numbers of a result may move, where only some sources may.

    Args:
        run: the encode step.
        result: what it returned.
        calls: what its encoders were asked and answered.
        names: of the sources that may move; those of another pipeline are passed over.

    Returns: a tree like ``result``, boolean; None where every source may move.
    Raises: AdjustmentError, for a source of which nothing is in the result.
    """
    all_of = {name: _following(pipe, run, result, calls, name) for name in source_names(pipe)}
    there = {name: tree for name, tree in all_of.items() if any(each.any() for each in tensors_in(tree))}
    for name in names:
        if name in all_of and name not in there:
            raise AdjustmentError(
                f"apply(): encoders={'+'.join(sorted(names))!r}, but {type(pipe).__name__} draws by nothing "
                f"that is {name}. There {'is' if len(there) == 1 else 'are'} {', '.join(there)}."
            )
    if there.keys() <= set(names):
        return None
    may = walk(lambda own: torch.zeros(own.shape, dtype=torch.bool, device=own.device), result)
    for tree in (tree for name, tree in there.items() if name in names):
        may = walk(torch.logical_or, may, tree)
    return may


def _following(pipe: Pipeline, run: Callable[[], Any], result: Any, calls: EncoderCalls, source: str) -> Any:
    """The numbers of a result that change with a source."""
    files = encoder_names(pipe)
    outputs = {
        own: [walk(partial(_changed, call, files.get(own, own), source), call.output) for call in of]
        for own, of in calls.items()
    }
    return walk(_numbers_that_differ, result, replay(pipe, run, outputs))


def _changed(call: EncoderCall, encoder: str, source: str, tensor: Tensor) -> Tensor:
    """A tensor of an encoder's output: every number another where it is of the source, else as it is."""
    axes = axes_of(tensor, call)
    ours = axes is not None and source == (POOLED if axes == "pooled" else encoder)
    return torch.where(tensor == 0, 1, -tensor) if ours else tensor


def _numbers_that_differ(one: Tensor, two: Tensor) -> Tensor:
    if not one.is_floating_point():
        return torch.zeros(one.shape, dtype=torch.bool, device=one.device)
    return one != two
