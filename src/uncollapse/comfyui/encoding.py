"""A prompt and its anchor twin, encoded by a clip and paired, as ``pipelines.following`` does it.

Learned vectors, ``embedding:name`` in the prompt, are exchanged before they are encoded (token level). For
other concepts the prompt is encoded again with each token answered by its partner's vectors in the twin
(prompt level), which the *base* has encoded: the same clip without its LoRAs, or another that never had any.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..adjusters import Places, Role
from ..anchors import anchor_vector
from ..concept import Concept
from ..errors import AdjustmentError, AnchorError, EmbeddingError, PipelineError
from ..pipelines.encode_step import walk
from ..pipelines.encoded import Encoded
from ..pipelines.following import followed, groups_of
from ..pipelines.pairing import Pairing, TokenGroup
from ..placeholders import mentions, substitute
from .encoders import Call, Rows, answering, negated, partners, recording, table_of, text_encoders
from .words import Spelling, Tokenise, is_rows, item_of, pair, spelling_of

__all__ = ["base_of", "check_finite", "encoded", "is_learned", "level_of", "mentioned", "tokeniser_of"]


def base_of(clip: Any) -> Any:
    """A clip without what was loaded onto it, LoRAs and hooks; weights that were trained whole stay.

    It shares the weights with ``clip``; ComfyUI patches them anew for each of the two.
    """
    base = clip.clone()
    base.patcher.patches = {}
    base.patcher.patches_uuid = uuid.uuid4()
    base.patcher.forced_hooks = None
    base.use_clip_schedule = False
    base.apply_hooks_to_conds = None
    injections = getattr(base.patcher, "injections", {})
    base.patcher.injections = {name: each for name, each in injections.items() if name != "bypass_lora"}
    return base


def encoded(clip: Any, base: Any, text: str, concepts: Sequence[Concept]) -> Encoded:
    """The text's conditioning and its partner, ready for any settings of the concepts' adjusters.

    Args:
        clip: with the concepts in it.
        base: what encodes the twin.
        concepts: those that the text mentions; the token level's adjusters are applied here.

    Returns: trees like ComfyUI's conditioning, ``[[cond, {"pooled_output": …}], …]``. Owners are numbered
        among the concepts of the prompt level, ``[c for c in concepts if level_of(clip, c) == "prompt"]``.
    Raises: PipelineError, AnchorError, EmbeddingError, AdjustmentError.
    """
    tokenise, retokenise = tokeniser_of(clip), tokeniser_of(base)
    learned = [concept for concept in concepts if level_of(clip, concept) == "token"]
    others = [concept for concept in concepts if concept not in learned]
    if not others:
        with recording(clip, _exchanged(clip, tokenise, text, learned)):
            return _unmoved(_run(clip, text))
    found = substitute(text, [(concept.placeholder, concept.anchor) for concept in others])
    with recording(base, _exchanged(base, retokenise, found.new_text, learned)) as calls_of_twin:
        _run(base, found.new_text)
    with recording(clip, _exchanged(clip, tokenise, text, learned)) as calls:
        result = _run(clip, text)
    if calls.keys() != calls_of_twin.keys():
        raise PipelineError(
            f"TEA: the prompt is encoded by {', '.join(calls)} and the anchor by {', '.join(calls_of_twin)}. "
            "Give a base clip of the same model."
        )

    encoders, their_encoders = text_encoders(clip), text_encoders(base)
    twins, pairings = {}, {}
    for name, of in calls.items():
        twins[name] = _as_many(calls_of_twin[name], len(of))
        ours = spelling_of(tokenise, text, encoders[name], of[0].rows)
        theirs = spelling_of(retokenise, found.new_text, their_encoders[name], twins[name][0].rows)
        pairings[name] = pair(ours, theirs, found)

    def rerun(answer: Callable[[Call, Call, Pairing | None], Any]) -> Any:
        answers = {
            name: [answer(call, twin, pairings[name]) for call, twin in zip(of, twins[name], strict=True)]
            for name, of in calls.items()
        }
        with answering(clip, answers):
            return _run(clip, text)

    def negate(group: TokenGroup) -> Any:
        return rerun(lambda call, _, pairing: negated(call, pairing, group))

    groups = groups_of(pairing for pairing in pairings.values() if pairing)
    return followed(result, rerun(partners), groups, negate)


def level_of(clip: Any, concept: Concept) -> str:
    """Where a concept is adjusted in this clip: "token" for ``embedding:name``, else "prompt"."""
    learned = is_learned(clip, concept.placeholder)
    if concept.level == "token" and not learned:
        raise AdjustmentError(
            f"TEA: {concept.placeholder!r} is no learned embedding here, so there is no row to adjust. Call "
            'it as the prompt does, "embedding:name", or leave the level to "auto".'
        )
    if concept.level != "auto":
        return concept.level
    return "token" if learned and "token" in concept.adjuster.levels else "prompt"


def is_learned(clip: Any, placeholder: str) -> bool:
    """Whether a placeholder is made of learned vectors alone."""
    tokens = clip.tokenize(placeholder, return_word_ids=True)
    rows = [row for of in tokens.values() if is_rows(of) for row in of]
    words = [item for row in rows for item, _, word in row if word]
    return bool(words) and all(isinstance(item, Tensor) for item in words)


def check_finite(conditioning: Any, whose: str) -> None:
    """Raise PipelineError where a conditioning holds what is no number.

    Args:
        whose: what made it, in words.
    """

    def check(tensor: Tensor) -> Tensor:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise PipelineError(
                f"TEA: {whose} is not finite (NaN or infinity), so the picture would be black. Try the "
                "prompt without weights such as (word:1.2), or start ComfyUI with --fp32-text-enc."
            )
        return tensor

    walk(check, conditioning)


def _run(clip: Any, text: str) -> Any:
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))


def tokeniser_of(clip: Any) -> Tokenise:
    return functools.cache(functools.partial(clip.tokenize, return_word_ids=True))


def _as_many(calls: list[Call], count: int) -> list[Call]:
    """Hooks that change over the steps have the clip encode several times; the base does once."""
    return [*calls, *[calls[-1]] * count][:count]


def _unmoved(result: Any) -> Encoded:
    """Of a prompt whose concepts were adjusted before it was encoded."""
    roles = walk(lambda own: torch.zeros(own.shape[:-1], dtype=torch.int8, device=own.device), result)
    return Encoded(result, result, roles, walk(lambda own: own.long(), roles))


def _exchanged(
    clip: Any, tokenise: Tokenise, text: str, concepts: Sequence[Concept]
) -> Callable[[str, Rows], Rows]:
    """What an encoder gets: the rows with the concepts' learned vectors adjusted."""
    encoders = text_encoders(clip)

    def given(name: str, rows: Rows) -> Rows:
        if not concepts:
            return rows
        spelling = spelling_of(tokenise, text, encoders[name], rows)
        moved: dict[Any, Tensor] = {}
        for concept in concepts:
            moved |= _moved(spelling, concept)
        return [
            [moved.get(item_of(token), token) if isinstance(token, Tensor) else token for token in row]
            for row in rows
        ]

    return given


def _moved(spelling: Spelling, concept: Concept) -> dict[Any, Tensor]:
    """The concept's learned vectors as they are to be, by what they are."""
    tokens = [token[0] for row in spelling.tokenise(concept.placeholder)[spelling.key] for token in row]
    rows = [token for token in tokens if isinstance(token, Tensor) and token.shape[-1] == spelling.width]
    if not rows:  # it has none for this encoder
        return {}
    v = torch.stack(rows).float()
    for i, row in enumerate(v):
        if not row.isfinite().all() or not row.any():
            raise EmbeddingError(
                f"TEA: vector {i} of {concept.placeholder!r} is {'zero' if not row.any() else 'not finite'}, "
                "so it has no direction to adjust. Use a trained embedding."
            )
    c = _anchor_vector(spelling, concept.anchor)
    adjusted = concept.adjuster.adjust(v, c.to(v.device), Places.all(Role.CONCEPT, v))
    return {item_of(row): new for row, new in zip(rows, adjusted, strict=True)}


def _anchor_vector(spelling: Spelling, anchor: str) -> Tensor:
    """The anchor's row, as it stands within a prompt: after a space."""
    lead = "the "
    text = lead + anchor
    words = spelling.words(text)
    ids = [words[i] for i in spelling.within(text, (len(lead), len(text))) if isinstance(words[i], int)]
    if not ids:
        raise AnchorError(
            f"TEA: the tokenizer of {spelling.key} knows no token of the anchor {anchor!r}. Use an ordinary "
            "word."
        )
    rows = table_of(spelling.encoder)[torch.tensor(ids)].float()
    return anchor_vector(rows, list(range(len(ids))))


def mentioned(concepts: Sequence[Concept], text: str) -> list[Concept]:
    """The concepts that a text mentions."""
    return [concept for concept in concepts if mentions(text, concept.placeholder)]
