"""A prompt and its anchor twin, encoded: everything an adjustment needs but the settings.

    result    what the encode step returned for the prompt
    anchor    the same, with every concept's vectors replaced by their partners'
    shares    which vectors follow which concepts

so that α and β can be swept without encoding again. ``by_ids`` gets there through the token ids that the text
encoders were given; ``by_resemblance`` through the results alone, where no ids can be seen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..adjusters import Adjuster, Places, Role
from ..alignment import ALONE, align
from ..concept import Concept
from .encode_step import compare, tensors_in
from .encoder_calls import EncoderCall, EncoderCalls, replay
from .pairing import Pairing, pair, same_text

__all__ = ["Encoded", "by_ids", "by_resemblance"]

Owners = tuple[int, ...]


@dataclass(frozen=True)
class Encoded:
    """See above. ``shares``: numbers of concepts → a tree like ``result``, True for the vectors that follow
    these concepts, by the mean of their settings."""

    result: Any
    anchor: Any
    shares: dict[Owners, Any]

    def adjusted(self, concepts: Sequence[Concept]) -> Any:
        """A new tree like ``result``, with each share moved by its concepts' adjusters."""
        adjusters = [_shared([concepts[number].adjuster for number in owners]) for owners in self.shares]

        def move(own: Tensor, anchor: Tensor, *shares: Tensor) -> Tensor:
            moved = own.clone()
            for adjuster, share in zip(adjusters, shares, strict=True):
                if share.any():
                    places = Places(share.to(torch.int8) * int(Role.CONTEXT), share)
                    moved = torch.where(share.unsqueeze(-1), adjuster.adjust(own, anchor, places), moved)
            return moved

        return compare(move, self.result, self.anchor, *self.shares.values())

    @property
    def changes(self) -> bool:
        """Whether any vector follows a concept: none does when the placeholder was cut off."""
        return any(share.any() for shares in self.shares.values() for share in tensors_in(shares))

    @property
    def requires_grad(self) -> bool:
        """Whether it hangs on a graph of autograd's."""
        return any(tensor.requires_grad for tensor in tensors_in((self.result, self.anchor)))

    @property
    def nbytes(self) -> int:
        """Memory held."""
        held = tensors_in((self.result, self.anchor, *self.shares.values()))
        return sum(tensor.nbytes for tensor in {id(tensor): tensor for tensor in held}.values())


def _shared(adjusters: Sequence[Adjuster]) -> Adjuster:
    first, *others = adjusters
    return first.shared(others) if others else first


def by_ids(
    pipe,
    concepts: Sequence[Concept],
    run: Callable[[], Any],
    result: Any,
    prompt: EncoderCalls,
    anchor: EncoderCalls,
    others: bool = False,
) -> Encoded | None:
    """Pair tokens by the ids that the encoders were given, and let the pipeline carry them to its result.

    The step runs once more, its encoders answering for each token of the prompt with the *partner's* vectors
    out of the twin's run: what comes out is the anchor in the prompt's own layout. It runs again for each
    group of tokens with these tokens' vectors negated: what then differs from ``result`` follows them.

    Args:
        run: the encode step, with the prompt's arguments.
        prompt, anchor: the encoder calls recorded with the prompt and with its twin.
        others: whether rows that the twin has too (negative prompts) come from the twin's run.

    Returns: None when the two runs' calls do not match, or the result does not follow what encoders return
        (the pipeline reads their insides): see ``by_resemblance``.
    """
    if not _matching(prompt, anchor):
        return None
    pairings = {
        name: [_pairings(pipe, concepts, *at) for at in zip(calls, anchor[name], strict=True)]
        for name, calls in prompt.items()
    }
    if others:
        prompt = {
            name: [_with_others(*at) for at in zip(calls, anchor[name], pairings[name], strict=True)]
            for name, calls in prompt.items()
        }
    paired = [pairing for of in pairings.values() for rows in of for pairing in rows if pairing]
    groups = {owners for pairing in paired for owners in (*pairing.owners, pairing.everyone)}

    def rerun(answer: Callable[[EncoderCall, EncoderCall, list[Pairing | None]], Any]) -> Any:
        outputs = {
            name: [answer(*at) for at in zip(calls, anchor[name], pairings[name], strict=True)]
            for name, calls in prompt.items()
        }
        return replay(pipe, run, outputs)

    try:
        if others:
            result = rerun(lambda call, *_: call.output)
        partners = rerun(_partners)
        shares = {
            owners: compare(_differs, result, rerun(functools.partial(_negated, owners)))
            for owners in sorted(groups, key=lambda owners: (len(owners), owners))  # what all follow, last
        }
    except Exception:
        # This very step has just encoded the prompt, so what it lacks now is an encoder's insides, which it
        # reads by a hook of its own.
        return None
    encoded = Encoded(result, compare(_where_shared, result, partners, *shares.values()), shares)
    return encoded if encoded.changes or not groups else None


def _where_shared(own: Tensor, anchor: Tensor, *shares: Tensor) -> Tensor:
    return anchor if any(share.any() for share in shares) else own


def _matching(prompt: EncoderCalls, anchor: EncoderCalls) -> bool:
    def build(calls: EncoderCalls) -> dict[str, list[int]]:
        return {name: [len(call.ids) for call in of] for name, of in calls.items()}

    return bool(prompt) and build(prompt) == build(anchor)


def _pairings(pipe, concepts, prompt: EncoderCall, anchor: EncoderCall) -> list[Pairing | None]:
    """For each row; None where the twin says the same."""
    return [
        None if same_text(one, two) else pair(pipe, concepts, one, two)
        for one, two in zip(prompt.ids, anchor.ids, strict=True)
    ]


def _with_others(prompt: EncoderCall, anchor: EncoderCall, pairings: list[Pairing | None]) -> EncoderCall:
    """The prompt's call, with the twin's output for rows in which the two say the same."""

    def take(own: Tensor, other: Tensor) -> Tensor:
        places = _token_axes(own, prompt)
        taken = own.clone()
        for row, pairing in enumerate(pairings):
            if pairing is not None or places is None:
                continue
            if places == "pooled":
                taken[row] = other[row].to(own)
                continue
            into, out_of = (x if places == "rows first" else x.transpose(0, 1) for x in (taken, other))
            count = min(into.shape[1], out_of.shape[1])  # beyond it, one of the two is padded
            on_the_left = prompt.ids[row][:count] == anchor.ids[row][:count]
            kept = slice(count) if on_the_left else slice(-count, None)
            into[row, kept] = out_of[row, kept].to(own)
        return taken

    return EncoderCall(prompt.ids, compare(take, prompt.output, anchor.output))


def _partners(prompt: EncoderCall, anchor: EncoderCall, pairings: list[Pairing | None]) -> Any:
    """The encoder's output for the prompt, each token's vectors replaced by its partner's in the twin."""

    def swap(own: Tensor, other: Tensor) -> Tensor:
        places = _token_axes(own, prompt)
        swapped = own.clone()
        for row, pairing in enumerate(pairings):
            if pairing is None or places is None:
                continue
            if places == "pooled":
                swapped[row] = other[row].to(own)
                continue
            partners = torch.tensor(pairing.partners, device=own.device)
            paired = partners != ALONE
            into, out_of = (x if places == "rows first" else x.transpose(0, 1) for x in (swapped, other))
            into[row, paired] = out_of[row, partners[paired].to(other.device)].to(own)
        return swapped

    return compare(swap, prompt.output, anchor.output)


def _negated(owners: Owners, prompt: EncoderCall, anchor: EncoderCall, pairings: list[Pairing | None]) -> Any:
    """The encoder's output for the prompt, with the vectors of some tokens negated."""

    def negate(own: Tensor) -> Tensor:
        places = _token_axes(own, prompt)
        negated = own.clone()
        for row, pairing in enumerate(pairings):
            if pairing is None or places is None:
                continue
            if places == "pooled":
                negated[row] *= -1 if pairing.everyone == owners else 1
                continue
            chosen = [
                partner != ALONE and of == owners
                for partner, of in zip(pairing.partners, pairing.owners, strict=True)
            ]
            into = negated if places == "rows first" else negated.transpose(0, 1)
            into[row, torch.tensor(chosen, device=own.device)] *= -1
        return negated

    return compare(negate, prompt.output)


def _token_axes(output: Tensor, call: EncoderCall) -> str | None:
    """How one tensor of an encoder's output is laid out; None if it holds no vectors of tokens or rows."""
    rows, tokens = len(call.ids), len(call.ids[0])
    if not output.is_floating_point():
        return None
    if output.ndim >= 3 and output.shape[:2] == (rows, tokens):
        return "rows first"
    if output.ndim >= 3 and output.shape[:2] == (tokens, rows):
        return "tokens first"
    return "pooled" if output.ndim == 2 and len(output) == rows else None


def _differs(one: Tensor, two: Tensor) -> Tensor:
    """Which vectors differ, over all but the last axis."""
    if one.ndim == 0 or not one.is_floating_point():
        return torch.zeros(one.shape[:-1], dtype=torch.bool, device=one.device)
    return (one != two).any(-1)


def by_resemblance(result: Any, anchor: Any, reference: Any, concepts: Sequence[Concept]) -> Encoded:
    """Pair the vectors of two results by what they look like, where no token ids can be seen.

    Rows that differ between ``result`` and ``reference`` are the prompt's. Their vectors are paired in order
    with those of the twin by ``alignment.align`` on the cosines of the two, each less its row's mean. All
    follow the mean of the concepts' settings.

    Args:
        result: of the prompt.
        anchor: of the twin, by the encoder that anchors come from.
        reference: of the twin, by the prompt's own encoder.
    """
    everyone = tuple(range(len(concepts)))
    share = compare(_rows_that_differ, result, reference)
    aligned = compare(_aligned, result, anchor, share)
    return Encoded(result, aligned, {everyone: share})


def _rows_that_differ(own: Tensor, other: Tensor) -> Tensor:
    share = torch.zeros(own.shape[:-1], dtype=torch.bool, device=own.device)
    if not own.is_floating_point() or own.ndim < 2 or own.shape[-1] != other.shape[-1] or _is_mask(own):
        return share
    if own.ndim == 2 and own.shape != other.shape:  # one row's tokens
        share[:] = True
    elif own.ndim == 2 or own.shape[:-2] == other.shape[:-2]:
        length = min(own.shape[-2], other.shape[-2]) if own.ndim > 2 else len(own)
        one, two = own[..., :length, :].float(), other[..., :length, :].float()
        noise = 8 * torch.finfo(own.dtype).eps * one.abs().amax(-1)
        differs = (one - two).abs().amax(-1) > noise
        share[:] = differs if own.ndim == 2 else differs.any(-1, keepdim=True)
    return share


def _is_mask(tensor: Tensor) -> bool:
    return tensor.ndim == 2 and bool(((tensor == 0) | (tensor == 1)).all())


def _aligned(own: Tensor, anchor: Tensor, share: Tensor) -> Tensor:
    """The anchor's vectors in the prompt's places."""
    if not share.any():
        return own
    if own.ndim == 2 and own.shape == anchor.shape:
        return anchor
    count, dim = own.shape[-2:]
    theirs = anchor.expand(*own.shape[:-2], *anchor.shape[-2:]).reshape(-1, *anchor.shape[-2:])
    rows = zip(own.reshape(-1, count, dim), theirs, share.reshape(-1, count), strict=True)
    aligned = [two[align(_cosines(one, two))] if shared.any() else one for one, two, shared in rows]
    return torch.stack(aligned).reshape(own.shape)


def _cosines(one: Tensor, two: Tensor) -> Tensor:
    one, two = (normalize(x.float() - x.float().mean(0), dim=-1) for x in (one, two))
    return one @ two.T
