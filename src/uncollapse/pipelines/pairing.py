"""Pairs a prompt with its anchor twin as the encoder sees them, and moves its tokens toward the twin's.

The twin is the prompt with every placeholder replaced by its anchor. Characters are matched in the text that
is really tokenised, where pipelines spell out learned tokens of several vectors, ``<t> <t>_1 <t>_2``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..adjustment import turn_and_scale
from ..alignment import ALONE, Tokens, pair_tokens, phrase_of_tokens, tokenize
from ..concept import Concept
from ..errors import PipelineError, UncollapseWarning
from ..placeholders import Substitution, mentions, substitute

__all__ = ["Pairing", "pair", "to_twin"]


def to_twin(concepts: Sequence[Concept], text: str) -> str:
    """The prompt with anchors for placeholders."""
    return substitute(text, [(c.placeholder, c.anchor) for c in concepts]).new_text


def pair(pipe, tokenizer, concepts: Sequence[Concept], text: str) -> Pairing:
    """Pair one prompt with its twin.

    Raises: PipelineError, when spelling out changes the two in different ways.
    """

    def spell(words: str) -> str:
        convert = getattr(pipe, "maybe_convert_prompt", None)
        return convert(words, tokenizer) if convert else words

    spelled = [(spell(c.placeholder), spell(c.anchor)) for c in concepts]
    unspelled = [(c.placeholder, spell(c.anchor)) for c in concepts]
    words, twin = substitute(spell(text), spelled + unspelled), to_twin(concepts, text)
    if words.new_text != spell(twin):
        raise PipelineError(
            f"apply(): {text!r} and its anchor twin {twin!r} are spelled out as {words.text!r} and "
            f"{spell(twin)!r}, which differ in more than the placeholder, so words cannot be paired. "
            "Set the placeholder off with spaces from the words around it."
        )
    pairing = Pairing(tokenizer, words, [concepts[number % len(concepts)] for number in words.pairs])
    _warn_if_doubled(pairing)
    _warn_if_cut_off(pairing)
    return pairing


@dataclass(frozen=True)
class Pairing:
    """Which token of one prompt moves toward which of its twin, and by which settings.

    The tokens of a placeholder follow its own concept. All others follow every concept of the prompt: the
    mean of their settings.
    """

    tokenizer: Any
    words: Substitution
    concepts: list[Concept]

    @cached_property
    def tokens(self) -> tuple[Tokens, Tokens]:
        """The prompt's and the twin's, as the encoder sees them."""
        length = self.tokenizer.model_max_length
        prompt, anchor = (tokenize(self.tokenizer, x, length) for x in (self.words.text, self.words.new_text))
        return prompt, anchor

    @property
    def changes(self) -> bool:
        """Whether the encoder sees any difference: not when the placeholder is absent or cut off."""
        prompt, anchor = self.tokens
        return prompt.ids != anchor.ids

    def adjust(self, prompt_embeds: Tensor, anchor_embeds: Tensor) -> Tensor:
        """Move ``[tokens, dim]`` toward the twin's ``[tokens, dim]``."""
        prompt, anchor = self.tokens
        partners = torch.tensor(
            pair_tokens(prompt, self.words.spans, anchor, self.words.new_spans), device=anchor_embeds.device
        )
        alpha, own_norm, anchor_norm = self._settings(phrase_of_tokens(prompt, self.words.spans)).unbind(-1)
        target = anchor_embeds[partners.clamp(min=0)]
        return turn_and_scale(prompt_embeds, target, alpha, own_norm, anchor_norm, mask=partners != ALONE)

    def _settings(self, phrases: list[int]) -> Tensor:
        """(alpha, own_norm, anchor_norm) per token, ``[tokens, 3]``."""
        of = {c: (c.alpha, *c.adjustment.norm_weights) for c in self.concepts}
        each = torch.tensor([of[c] for c in self.concepts], dtype=torch.float64)
        everyone = torch.tensor(list(of.values()), dtype=torch.float64).mean(0, keepdim=True)
        return torch.cat([each, everyone])[phrases]  # no phrase is −1: the last row


def _warn_if_doubled(pairing: Pairing) -> None:
    for concept in pairing.concepts:
        noun = concept.anchor.split()[-1]
        twice = f"{noun} {noun}"
        if mentions(pairing.words.new_text, twice) and not mentions(pairing.words.text, twice):
            warnings.warn(
                f"the anchor twin reads {pairing.words.new_text!r}, the noun twice. "
                f"If prompts always say '{concept.placeholder} {noun}', make that the placeholder.",
                UncollapseWarning,
                stacklevel=5,
            )


def _warn_if_cut_off(pairing: Pairing) -> None:
    if pairing.concepts and not pairing.changes:
        warnings.warn(
            f"nothing is adjusted: {pairing.words.text!r} is longer than the text encoder's window of "
            f"{pairing.tokenizer.model_max_length} tokens, and the placeholder is in the part cut off. "
            "Put it nearer the start.",
            UncollapseWarning,
            stacklevel=5,
        )
