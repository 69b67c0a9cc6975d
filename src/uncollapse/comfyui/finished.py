"""Conditionings that other nodes have made, paired by the tokens that their vectors come from.

Some nodes encode in ways of their own: two texts for two encoders, a guidance beside the text. What such a
node returns has the clip's layout all the same. Which vector is which token's is found by encoding once more
with every encoder answering with its tokens' numbers: what arrives in the conditioning says where it is from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..alignment import ALONE
from ..concept import Concept
from ..errors import PipelineError
from ..pipelines.encode_step import walk
from ..pipelines.encoded import Encoded
from ..pipelines.following import followed, groups_of
from ..pipelines.pairing import Pairing, TokenGroup
from ..placeholders import substitute
from .encoders import Call, Calls, answering, negated, recording, text_encoders
from .encoding import tokeniser_of
from .words import is_rows, pair, spelling_of

__all__ = ["finished"]

NUMBERS = 1 << 16  # of one encoder's tokens


def finished(conditioning: Any, anchor: Any, clip: Any, text: str, concepts: Sequence[Concept]) -> Encoded:
    """A conditioning and that of its anchor twin, ready for any settings of the concepts' adjusters.

    Args:
        clip: that encoded the first, or one like it.
        text: what was encoded, with placeholders.

    Raises: PipelineError, where they are not laid out as the clip lays them out.
    """
    if len(conditioning) != len(anchor):
        raise PipelineError(
            f"TEA: the conditioning has {len(conditioning)} parts and the anchor's {len(anchor)}. Make both "
            "by the same nodes."
        )
    found = substitute(text, [(concept.placeholder, concept.anchor) for concept in concepts])
    ours, theirs = _numbered(clip, found.text), _numbered(clip, found.new_text)
    tokenise, encoders = tokeniser_of(clip), text_encoders(clip)
    pairings = {
        name: pair(
            spelling_of(tokenise, found.text, encoders[name], of[0].rows),
            spelling_of(tokenise, found.new_text, encoders[name], theirs[name][0].rows),
            found,
        )
        for name, of in ours.items()
    }

    def negate(group: TokenGroup) -> Any:
        return _layout(
            clip,
            found.text,
            {name: [negated(call, pairings[name], group) for call in of] for name, of in ours.items()},
        )

    numbers, twins = (
        _layout(clip, each, {name: [call.output for call in of] for name, of in calls.items()})
        for each, calls in ((found.text, ours), (found.new_text, theirs))
    )
    groups = groups_of(pairing for pairing in pairings.values() if pairing)
    follows = followed(numbers, numbers, groups, negate)
    partner_of = _partner_numbers(list(ours), pairings)
    parts = [
        _part(own, its_anchor, (numbers[0], twins[0], follows.roles[0], follows.owners[0]), partner_of)
        for own, its_anchor in zip(conditioning, anchor, strict=True)
    ]
    return Encoded(conditioning, *(list(trees) for trees in zip(*parts, strict=True)))


def _unweighted(tokens: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [[(token[0], 1.0, *token[2:]) for token in row] for row in rows] if is_rows(rows) else rows
        for key, rows in tokens.items()
    }


def _numbered(clip: Any, text: str) -> Calls:
    """The encoders' calls for a text, their answers made of their tokens' numbers."""
    with recording(clip) as calls:
        clip.encode_from_tokens_scheduled(_unweighted(clip.tokenize(text)))
    numbered = {}
    for which, (name, of) in enumerate(calls.items()):
        numbered[name] = [Call(call.rows, _with_numbers(call.output, which * NUMBERS + 1)) for call in of]
    return numbered


def _with_numbers(output: Any, start: int) -> Any:
    z, pooled, *rest = output
    rows, length = len(z), z.shape[-2]
    numbers = torch.arange(start, start + rows * length, dtype=z.dtype, device=z.device)
    numbers = numbers.view(rows, *[1] * (z.ndim - 3), length, 1)
    return (numbers.expand_as(z), pooled if pooled is None else torch.ones_like(pooled), *rest)


def _layout(clip: Any, text: str, answers: dict[str, list[Any]]) -> Any:
    with answering(clip, answers):
        return clip.encode_from_tokens_scheduled(_unweighted(clip.tokenize(text)))


def _partner_numbers(names: list[str], pairings: Mapping[str, Pairing | None]) -> dict[int, int]:
    """The number of each token's partner, where it is another or there is none (0)."""
    found: dict[int, int] = {}
    for which, name in enumerate(names):
        pairing = pairings[name]
        for i, partner in enumerate(pairing.partners if pairing else ()):
            start = which * NUMBERS + 1
            found[start + i] = 0 if partner == ALONE else start + partner
    return found


def _part(own: Any, anchor: Any, traced: Sequence[Any], partner_of: Mapping[int, int]) -> list[Any]:
    """The anchor, the roles and the owners of one part of a conditioning, each built like it."""
    (cond, options), (anchor_cond, anchor_options) = own, anchor
    named = {"": cond, **options}
    theirs = {"": anchor_cond, **anchor_options}
    numbers, twins, roles, owners = ({"": tree, **named_too} for tree, named_too in traced)
    still = walk(lambda each: torch.zeros(each.shape[:-1], dtype=torch.int64, device=each.device), options)
    trees: list[dict[str, Any]] = [dict(options), dict(still), dict(still)]
    for name, tensor in named.items():
        both = isinstance(tensor, Tensor) and isinstance(theirs.get(name), Tensor)
        if both and tensor.is_floating_point() and isinstance(numbers.get(name), Tensor):
            _same_layout(tensor, numbers[name], theirs[name], twins[name])
            found = (
                _gathered(tensor, theirs[name], numbers[name], twins[name], partner_of),
                roles[name].to(tensor.device),
                owners[name].to(tensor.device),
            )
            for tree, of in zip(trees, found, strict=True):
                tree[name] = of
    return [[tree.pop(""), tree] for tree in trees]


def _same_layout(own: Tensor, numbers: Tensor, anchor: Tensor, twins: Tensor) -> None:
    for which, arrived, made in (("text", own, numbers), ("anchor text", anchor, twins)):
        if arrived.shape[:-1] != made.shape[:-1]:
            raise PipelineError(
                f"TEA: this CLIP makes {list(made.shape[:-1])} vectors of the {which}, but the conditioning "
                f"has {list(arrived.shape[:-1])}. Give the text and the CLIP that it was made with."
            )


def _gathered(
    own: Tensor, anchor: Tensor, numbers: Tensor, twins: Tensor, partner_of: Mapping[int, int]
) -> Tensor:
    """For each vector its partner among the anchor's; itself where it has none."""
    if own.ndim < 3:  # pooled
        return anchor.to(own)
    ours, theirs = ([int(n) for n in _first(each)] for each in (numbers, twins))
    place = {number: at for at, number in enumerate(theirs) if number}
    at = torch.tensor([place.get(partner_of.get(number, number), ALONE) for number in ours])
    at = at.to(own.device)
    partners = anchor.to(own).index_select(-2, at.clamp(min=0))
    return torch.where((at == ALONE).unsqueeze(-1), own, partners)


def _first(numbers: Tensor) -> list[float]:
    """The numbers of one row, ``[tokens]``; where encoders stand side by side, the first one's."""
    while numbers.ndim > 2:
        numbers = numbers[0]
    return list(numbers[:, 0].tolist())
