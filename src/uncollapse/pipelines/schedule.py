"""α as a function of the denoising step.

Text is encoded once, before the first step. A pipeline with ``callback_on_step_end`` hands its prompt
embeddings out after every step and takes them back: there, the rows that are in force are exchanged for the
same rows under the next step's α. Rows are known by their values, wherever the pipeline has put them
meanwhile: repeated, or below the negative prompt's.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..components import Pipeline
from ..concept import Concept
from ..errors import AdjustmentError, PipelineError
from .encode_step import tensors_in, walk
from .encoded import Encoded
from .own_methods import give_methods

__all__ = ["Schedule", "share_at", "wrap_call"]

SUCH_AS = "Pass one that takes progress, from 0 to 1, and returns a number: lambda progress: 1 - progress."
CALLBACK, INPUTS = "callback_on_step_end", "callback_on_step_end_tensor_inputs"


class Schedule:
    """What is in force during one call of a pipeline.

    Args:
        factor: what every concept's alpha is multiplied by, from progress 0 (first step) to 1 (last step).
    """

    def __init__(self, factor: Callable[[float], float]) -> None:
        self.factor = factor
        self._of_this_thread = threading.local()

    def begin(self) -> None:
        """Forget the last call."""
        self._of_this_thread.encoded = []

    def start(self, encoded: Encoded, concepts: Sequence[Concept]) -> Any:
        """The encode step's result for the first step."""
        tree = encoded.adjusted(self._at(0.0, concepts))
        if hasattr(self._of_this_thread, "encoded"):
            self._of_this_thread.encoded.append((encoded, concepts, tree))
        return tree

    def advance(self, progress: float, tensors: dict[str, Any]) -> dict[str, Any]:
        """``tensors``, by name, with this call's rows as they are at ``progress``."""
        pairs: list[tuple[Tensor, Tensor]] = []
        following = []
        for encoded, concepts, old in self._of_this_thread.encoded:
            new = encoded.adjusted(self._at(progress, concepts))
            pairs += zip(tensors_in(old), tensors_in(new), strict=True)
            following.append((encoded, concepts, new))
        self._of_this_thread.encoded = following
        pairs = [(old, new) for old, new in pairs if not torch.equal(old, new)]
        return {name: walk(lambda tensor: _exchanged(tensor, pairs), each) for name, each in tensors.items()}

    def _at(self, progress: float, concepts: Sequence[Concept]) -> list[Concept]:
        factor = share_at(self.factor, progress)
        return [replace(c, adjuster=c.adjuster.weakened(factor)) for c in concepts]


def share_at(factor: Callable[[float], float], progress: float) -> float:
    """What a schedule says at ``progress``.

    Raises: AdjustmentError, when it is no function, or says no number.
    """
    if not callable(factor):
        raise AdjustmentError(f"apply(): schedule={factor!r} is no function. {SUCH_AS}")
    share = factor(progress)
    try:
        return float(share)
    except (TypeError, ValueError) as error:
        raise AdjustmentError(
            f"apply(): the schedule returns {share!r} at progress {progress:g}, which is no number. {SUCH_AS}"
        ) from error


def _exchanged(tensor: Tensor, pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    for old, new in pairs:
        if tensor.ndim != old.ndim or tensor.shape[1:] != old.shape[1:]:
            continue
        old, new = old.to(tensor), new.to(tensor)
        for one, other in zip(old, new, strict=True):
            here = (tensor == one).flatten(1).all(1) if tensor.ndim > 1 else tensor == one
            tensor = torch.where(here.view(-1, *[1] * (tensor.ndim - 1)), other, tensor)
    return tensor


def wrap_call(pipe: Pipeline, schedule: Schedule) -> Callable[[], None]:
    """Have the pipeline advance the schedule after every step, before the caller's own callback.

    Returns: the undo.
    Raises: PipelineError, when the pipeline has no ``callback_on_step_end``, or hands out no embeddings.
    """
    handed_out = [name for name in getattr(pipe, "_callback_tensor_inputs", []) if "embed" in name]
    if CALLBACK not in inspect.signature(type(pipe).__call__).parameters or not handed_out:
        raise PipelineError(
            f"apply(): {type(pipe).__name__} does not hand out its prompt embeddings between steps "
            f"({CALLBACK}), so alpha cannot follow a schedule. Leave schedule out: alpha is then the same "
            "at every step."
        )

    def call(own_call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        bound = inspect.signature(own_call).bind(*args, **kwargs)
        own = bound.arguments.get(CALLBACK)
        wanted = getattr(own, "tensor_inputs", bound.arguments.get(INPUTS, ["latents"]))

        def on_step_end(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> Any:
            progress = (step + 1) / max(1, pipe.num_timesteps - 1)
            if progress <= 1:
                tensors.update(schedule.advance(progress, {name: tensors[name] for name in handed_out}))
            return tensors if own is None else own(pipe, step, timestep, tensors)

        bound.arguments |= {CALLBACK: on_step_end, INPUTS: [*wanted, *set(handed_out) - set(wanted)]}
        schedule.begin()
        return own_call(*bound.args, **bound.kwargs)

    return give_methods(pipe, {"__call__": call})
