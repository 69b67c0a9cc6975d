"""Follows tokens to a pipeline's result: what of it is whose, and what it stands for.

The encode step runs again, its text encoders answering for each token of the prompt with the *partner's*
vectors out of the twin's run: what comes out is the anchor in the prompt's own layout. It runs once more for
each group of tokens (whose they are, and their role) with these tokens' vectors negated: what then differs
follows them. So the pipeline itself carries the pairing to its result, whatever it does in between.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..adjusters import Role
from ..alignment import ALONE
from ..components import Pipeline
from ..concept import Concept
from .encode_step import walk
from .encoded import Encoded, bits_of
from .encoder_calls import EncoderCall, EncoderCalls, axes_of, replay
from .pairing import Pairing, TokenGroup, pair, same_text

__all__ = ["by_ids", "followed", "groups_of"]

MISSING = (LookupError, AttributeError, TypeError, UnboundLocalError, StopIteration)
"""What a pipeline meets that looks for what its hook has noted, where the encoder did not run; or that asks
the encoder more often, for other answers."""

Pairings = list[Pairing | None]
"""For each row; None where the twin says the same."""


def by_ids(
    pipe: Pipeline,
    concepts: Sequence[Concept],
    run: Callable[[], Any],
    result: Any,
    prompt: EncoderCalls,
    anchor: EncoderCalls,
    texts: Sequence[str] = (),
    others: bool = False,
    beside: EncoderCalls | None = None,
) -> Encoded | None:
    """Pair tokens by the ids that the encoders were given, and let the pipeline carry them to its result.

    A vector of the result that follows several groups, such as a projection or a mean, has the role REST and
    all their owners.

    Args:
        run: the encode step, with the prompt's arguments.
        result: what it returned.
        prompt, anchor: the encoder calls recorded with the prompt and with its twin.
        texts: the prompts as the user gave them, which tell a template's words from theirs.
        others: whether rows that the twin has too (negative prompts) come from the twin's run.
        beside: the encoder calls whose vectors are the partners, each of that in the same place; None for the
            twin's, each of the same word.

    Returns: None when the two runs' calls do not match, or the result does not follow what encoders return
        (the pipeline reads their insides): see ``resemblance``.
    """
    if not _matching(prompt, anchor) or not _matching(prompt, beside or anchor):
        return None
    pairings = {
        name: [_pairings(pipe, concepts, texts, *at) for at in zip(calls, anchor[name], strict=True)]
        for name, calls in prompt.items()
    }
    if others:
        prompt = {
            name: [_with_others(*at) for at in zip(calls, anchor[name], pairings[name], strict=True)]
            for name, calls in prompt.items()
        }
    if beside:
        pairings = {
            name: [_in_place(*at) for at in zip(pairings[name], calls, strict=True)]
            for name, calls in beside.items()
        }
    groups = groups_of(pairing for of in pairings.values() for rows in of for pairing in rows if pairing)

    partners_in = beside or anchor

    def rerun(answer: Callable[[EncoderCall, EncoderCall, Pairings], Any]) -> Any:
        outputs = {
            name: [answer(*at) for at in zip(calls, partners_in[name], pairings[name], strict=True)]
            for name, calls in prompt.items()
        }
        return replay(pipe, run, outputs)

    try:
        if others:
            result = rerun(lambda call, *_: call.output)
        partners = rerun(_partners)
        encoded = followed(result, partners, groups, lambda group: rerun(functools.partial(_negated, group)))
    except MISSING:
        # This very step has just encoded the prompt, so what it lacks now is an encoder's insides, which it
        # reads by a hook of its own.
        return None
    return encoded if encoded.changes or not groups else None


def followed(
    result: Any, partners: Any, groups: Sequence[TokenGroup], negated: Callable[[TokenGroup], Any]
) -> Encoded:
    """What of a result follows which group of tokens.

    Args:
        result: what encoding returned.
        partners: the same, the encoders answering with each token's partner.
        groups: what tokens belong to, from ``groups_of``.
        negated: the same as ``result``, the vectors of one group's tokens negated.
    """
    follow = [walk(_differs, result, negated(group)) for group in groups]
    roles = walk(functools.partial(_roles, groups), result, *follow)
    owners = walk(functools.partial(_owners, groups), result, *follow)
    return Encoded(result, walk(_where_owned, result, partners, owners), roles, owners)


def groups_of(pairings: Iterable[Pairing]) -> list[TokenGroup]:
    """Those that any token belongs to, and those of pooled vectors."""
    found = {group for pairing in pairings for group in (*pairing.groups, *pairing.pooled.groups)}
    return sorted(group for group in found if group)


def _matching(prompt: EncoderCalls, anchor: EncoderCalls) -> bool:
    def build(calls: EncoderCalls) -> dict[str, list[int]]:
        return {name: [len(call.ids) for call in of] for name, of in calls.items()}

    return bool(prompt) and build(prompt) == build(anchor)


def _pairings(
    pipe: Pipeline,
    concepts: Sequence[Concept],
    texts: Sequence[str],
    prompt: EncoderCall,
    anchor: EncoderCall,
) -> Pairings:
    return [
        None if same_text(one, two) else pair(pipe, concepts, one, two, texts)
        for one, two in zip(prompt.ids, anchor.ids, strict=True)
    ]


def _in_place(pairings: Pairings, beside: EncoderCall) -> Pairings:
    """The same tokens in the same roles, each paired with what stands in its place."""
    there = len(beside.ids[0])
    return [
        pairing
        and replace(pairing, partners=tuple(i if i < there else ALONE for i in range(len(pairing.partners))))
        for pairing in pairings
    ]


def _with_others(prompt: EncoderCall, anchor: EncoderCall, pairings: Pairings) -> EncoderCall:
    """The prompt's call, with the twin's output for rows in which the two say the same."""

    def take(row: int, pairing: Pairing | None, into: Tensor, out_of: Tensor) -> None:
        if pairing is None:
            count = min(len(into), len(out_of))  # beyond it, one of the two is padded
            on_the_left = prompt.ids[row][:count] == anchor.ids[row][:count]
            kept = slice(count) if on_the_left else slice(-count, None)
            into[kept] = out_of[kept].to(into)

    return EncoderCall(prompt.ids, _edited(take, prompt, pairings, anchor.output))


def _partners(prompt: EncoderCall, anchor: EncoderCall, pairings: Pairings) -> Any:
    """The encoder's output for the prompt, each token's vectors replaced by its partner's in the twin."""

    def swap(_: int, pairing: Pairing | None, into: Tensor, out_of: Tensor) -> None:
        if pairing is not None:
            partners = torch.tensor(pairing.partners)
            paired = partners != ALONE
            into[paired.to(into.device)] = out_of[partners[paired].to(out_of.device)].to(into)

    return _edited(swap, prompt, pairings, anchor.output)


def _negated(group: TokenGroup, prompt: EncoderCall, anchor: EncoderCall, pairings: Pairings) -> Any:
    """The encoder's output for the prompt, with the vectors of one group's tokens negated."""

    def negate(_: int, pairing: Pairing | None, into: Tensor) -> None:
        if pairing is not None:
            into[torch.tensor([of == group for of in pairing.groups], device=into.device)] *= -1

    return _edited(negate, prompt, pairings)


def _edited(edit: Callable[..., None], call: EncoderCall, pairings: Pairings, *others: Any) -> Any:
    """A copy of what an encoder returned, each row of each tensor edited, whatever the tensor's layout.

    Args:
        edit: ``edit(row's number, its pairing or None, its vectors, those of the others)`` writes into the
            first of the vectors, ``[tokens, …]``. What stands for a whole row is a row of one.
        others: outputs of the same build.
    """

    def copied(own: Tensor, *theirs: Tensor) -> Tensor:
        places, edited = axes_of(own, call), own.clone()
        views = [x.transpose(0, 1) if places == "tokens first" else x for x in (edited, *theirs)]
        for row, pairing in enumerate(pairings if places else ()):
            if places == "pooled":
                edit(row, pairing and pairing.pooled, *(x[row : row + 1] for x in views))
            else:
                edit(row, pairing, *(x[row] for x in views))
        return edited

    return walk(copied, call.output, *others)


def _differs(one: Tensor, two: Tensor) -> Tensor:
    """Which vectors differ, over all but the last axis."""
    if one.ndim == 0 or not one.is_floating_point():
        return torch.zeros(one.shape[:-1], dtype=torch.bool, device=one.device)
    return (one != two).any(-1)


def _roles(groups: Sequence[TokenGroup], own: Tensor, *follow: Tensor) -> Tensor:
    """The role of the one group that a vector follows; REST where it follows several."""
    roles = torch.full(own.shape[:-1], int(Role.NONE), dtype=torch.int8, device=own.device)
    for (_, role), follows in zip(groups, follow, strict=True):
        several = follows & (roles != Role.NONE)
        roles = roles.masked_fill(follows, int(role)).masked_fill(several, int(Role.REST))
    return roles


def _owners(groups: Sequence[TokenGroup], own: Tensor, *follow: Tensor) -> Tensor:
    bits = torch.zeros(own.shape[:-1], dtype=torch.int64, device=own.device)
    for (owners, _), follows in zip(groups, follow, strict=True):
        bits |= follows * bits_of(owners)
    return bits


def _where_owned(own: Tensor, partners: Tensor, owners: Tensor) -> Tensor:
    return partners if owners.any() else own
