"""Modular pipelines: they encode text in blocks, ``block(components, state)``, and have no method for it.

A block's declared inputs are its arguments and its declared outputs its result, so that `around` meets it as
it meets an encode method.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..components import Pipeline
from .encode_step import Around
from .own_methods import give_methods

__all__ = ["text_blocks", "wrap_block"]


def text_blocks(pipe: Pipeline) -> list[Any]:
    """The blocks of a modular pipeline that turn prompts into embeddings; none for any other pipeline.

    Blocks that only rewrite the prompt are not among them: what they write is read by one that is.
    """
    return [block for block in _leaves(getattr(pipe, "_blocks", None)) if _encodes_text(block)]


def wrap_block(block: Any, around: Around) -> Callable[[], None]:
    """Route a block's runs through ``around(encode, bound_arguments)``.

    Returns: the undo.
    """
    original = type(block)

    def call(_: Any, components: Any, state: Any) -> Any:
        encode = _Encode(original.__call__, block, components, state)
        given = {name: state.get(name) for name in block.input_names}
        result = around(encode, encode.signature.bind(**given))
        block_state = block.get_block_state(state)
        for name, value in result.items():
            setattr(block_state, name, value)
        block.set_block_state(state, block_state)
        return components, state

    return give_methods(block, {"__call__": call})


@dataclass(frozen=True)
class _Encode:
    """A block as an encode method: texts in, a dict of its outputs back, the pipeline's state untouched."""

    __func__: Callable[
        ..., Any
    ]  # of the block's class, as methods have it: what tells one encode step from another
    block: Any
    components: Any
    state: Any

    @property
    def signature(self) -> inspect.Signature:
        names = self.block.input_names
        return inspect.Signature([inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names])

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        state = copy.copy(self.state)
        state.values = {**self.state.values, **inputs}
        state.kwargs_mapping = copy.deepcopy(self.state.kwargs_mapping)
        self.__func__(self.block, self.components, state)
        return {name: state.get(name) for name in self.block.intermediate_output_names}


def _leaves(block: Any) -> Iterator[Any]:
    inner = getattr(block, "sub_blocks", None)
    if inner:
        for each in inner.values():
            yield from _leaves(each)
    elif block is not None:
        yield block


def _encodes_text(block: Any) -> bool:
    inputs = block.input_names
    makes_more = not set(block.intermediate_output_names) <= set(inputs)
    return "prompt" in inputs and makes_more and any("text_encoder" in name for name in block.component_names)
