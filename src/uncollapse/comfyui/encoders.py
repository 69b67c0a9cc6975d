"""What the text encoders within a clip are given and return, and having them answer otherwise.

A clip encodes in three steps: each of its encoders gets rows of tokens, its answer is weighed ``(word:1.2)``
against an empty row's, and the model's own code crops, joins and pads. Exchanging answers at the first step
carries known tokens through the other two, whatever the model, and computes nothing again.

An encoder is met by its ``encode``, on this one instance and only while a block lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..alignment import ALONE
from ..pipelines.pairing import Pairing, TokenGroup

__all__ = ["Call", "Calls", "answering", "negated", "partners", "recording", "table_of", "text_encoders"]

Rows = list[list[Any]]
"""Of each row the tokens: ids, and learned vectors ``[dim]``."""

Encode = Callable[[Rows], Any]


@dataclass(frozen=True)
class Call:
    """One call of an encoder.

    Args:
        rows: what it was given. The last may be an empty prompt, which weights are measured from.
        output: what it returned: vectors ``[rows, tokens, dim]`` or ``[rows, layers, tokens, dim]``, pooled
            ones ``[rows, dim]`` or None, and perhaps a dictionary of masks.
    """

    rows: Rows
    output: Any


Calls = dict[str, list[Call]]
"""By the encoder's name within the clip, in order."""


def text_encoders(clip: Any) -> dict[str, Any]:
    """The text encoders of a clip, by their names within it: "clip_l", "t5xxl", …."""
    return {
        name: module
        for name, module in clip.cond_stage_model.named_modules()
        if hasattr(module, "special_tokens") and callable(getattr(module, "encode", None))
    }


def table_of(encoder: Any) -> Tensor:
    """The token table of an encoder, ``[tokens, dim]``."""
    table: Tensor = encoder.transformer.get_input_embeddings().weight
    return table.detach()


@contextmanager
def recording(clip: Any, given: Callable[[str, Rows], Rows] = lambda _, rows: rows) -> Iterator[Calls]:
    """The calls that a clip's encoders get within the block.

    Args:
        given: ``given(encoder's name, rows) -> rows``, what the encoder gets instead.
    """
    calls: Calls = {}

    def note(name: str, encode: Encode, rows: Rows) -> Any:
        output = encode(given(name, rows))
        calls.setdefault(name, []).append(Call(rows, _copied(output)))
        return output

    with _routed(clip, note):
        yield calls


@contextmanager
def answering(clip: Any, answers: dict[str, list[Any]]) -> Iterator[None]:
    """Within the block the encoders answer so, call by call, and compute nothing."""
    waiting = {name: iter(of) for name, of in answers.items()}

    def answer(name: str, *_: Any) -> Any:
        return _copied(next(waiting[name]))

    with _routed(clip, answer):
        yield


@contextmanager
def _routed(clip: Any, route: Callable[[str, Encode, Rows], Any]) -> Iterator[None]:
    def routed(name: str, encode: Encode) -> Encode:
        return lambda rows: route(name, encode, rows)

    encoders = text_encoders(clip)
    before = {name: vars(encoder).get("encode") for name, encoder in encoders.items()}
    try:
        for name, encoder in encoders.items():
            vars(encoder)["encode"] = routed(name, encoder.encode)
        yield
    finally:
        for name, encoder in encoders.items():
            vars(encoder).pop("encode", None)
            if before[name] is not None:  # another's
                vars(encoder)["encode"] = before[name]


def partners(call: Call, twin: Call, pairing: Pairing | None) -> Any:
    """The encoder's answer, each token's vectors replaced by its partner's in the twin's answer.

    Args:
        pairing: of tokens numbered through all rows but the empty one; None where the twin says the same.
    """
    if pairing is None:
        return call.output
    at = torch.tensor(pairing.partners)
    paired = at != ALONE

    def swap(own: Tensor, theirs: Tensor) -> Tensor:
        own[paired.to(own.device)] = theirs[at[paired].to(theirs.device)].to(own)
        return own

    def swap_pooled(own: Tensor, theirs: Tensor) -> Tensor:
        return torch.cat([theirs[:1].to(own), own[1:]])

    return _edited(call, len(at), swap, swap_pooled, twin)


def negated(call: Call, pairing: Pairing | None, group: TokenGroup) -> Any:
    """The encoder's answer with the vectors of one group's tokens negated."""
    if pairing is None:
        return call.output
    mine = torch.tensor([of == group for of in pairing.groups])
    pooled = group in pairing.pooled.groups

    def negate(own: Tensor) -> Tensor:
        own[mine.to(own.device)] *= -1
        return own

    return _edited(call, len(mine), negate, lambda own: torch.cat([-own[:1] if pooled else own[:1], own[1:]]))


def _edited(
    call: Call, count: int, edit: Callable[..., Tensor], edit_pooled: Callable[..., Tensor], *others: Call
) -> Any:
    """A copy of the answer, edited.

    Args:
        count: how many tokens all rows but the empty one have.
        edit: is given these tokens' vectors, ``[tokens, …]``, and those of all tokens of the others.
        edit_pooled: likewise the pooled vectors, ``[rows, dim]``.
    """
    z, pooled, *rest = call.output
    length = z.shape[-2]
    rows = count // length
    own, *theirs = (_by_tokens(each.output[0]) for each in (call, *others))
    edited = edit(own[:count].clone(), *theirs).reshape(rows, length, *own.shape[1:]).movedim(1, -2)
    if pooled is not None:
        pooled = edit_pooled(pooled, *(each.output[1] for each in others))
    return (torch.cat([edited, z[rows:]]), pooled, *rest)


def _by_tokens(z: Tensor) -> Tensor:
    """``[rows, …, tokens, dim]`` as ``[rows · tokens, …, dim]``."""
    return z.movedim(-2, 1).flatten(0, 1)


def _copied(output: Any) -> Any:
    """Weights are written into what an encoder returns."""
    z, pooled, *rest = output
    return (z.clone(), pooled if pooled is None else pooled.clone(), *rest)
