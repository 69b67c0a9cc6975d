"""Prompt level: the text encoder's output, for DreamBooth, LoRA and Custom Diffusion.

A prompt that mentions a concept is encoded twice, as it is and as its *anchor twin*, with the placeholder
replaced by the anchor. Wherever the two results differ is the prompt's own embedding; each of its tokens
moves toward its partner in the twin. What is equal (negative prompts, masks, other rows of the batch) is
passed on untouched. When the twin comes from another encoder than the prompt, everything differs, so a
third call, of the twin by the prompt's own encoder, says what the prompt is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..concept import Concept
from ..errors import PipelineError, UncollapseWarning
from ..placeholders import mentions
from .anchor_encoder import base_encoder
from .components import text_encoders
from .encode_step import call, compare, prompts, token_ids_given
from .pairing import Pairing, pair, to_twin

__all__ = ["PromptAdjuster"]


@dataclass(frozen=True)
class PromptAdjuster:
    """What runs in place of a pipeline's encode method.

    Args:
        pipe: the pipeline.
        tokenizer: its tokenizer, a fast one.
        concepts: those to adjust here, all with the same ``anchor_encoder``.
        elsewhere: concepts adjusted at token level, known here only so as to tell whether a prompt
            mentions any concept at all.
        base: see ``anchor_encoder.base_encoder``.
    """

    pipe: Any
    tokenizer: Any
    concepts: Sequence[Concept]
    elsewhere: Sequence[Concept] = ()
    base: Any = None

    def __call__(self, encode: Callable, bound):
        texts = prompts(bound)
        strings = [text for argument in texts.values() for text in argument]
        _warn_if_absent(strings, [*self.concepts, *self.elsewhere])
        if not any(mentions(text, concept.placeholder) for text in strings for concept in self.concepts):
            return call(encode, bound)
        pairings = self._pairings(texts)
        with token_ids_given(text_encoders(self.pipe).values()) as given:
            result = call(encode, bound)
        _check_ids(pairings, given)
        anchor, reference = self._twins(encode, bound)
        return compare(partial(_adjusted, pairings), result, anchor, reference)

    def _twins(self, encode: Callable, bound):
        """The anchor twin by the encoder asked for, and by the prompt's own."""
        if self.concepts[0].anchor_encoder == "tuned":
            twin = call(encode, bound, self._to_twin)
            return twin, twin
        with base_encoder(self.pipe, self.base) as differs:
            anchor = call(encode, bound, self._to_twin)
        return anchor, call(encode, bound, self._to_twin) if differs else anchor

    def _to_twin(self, text: str) -> str:
        return to_twin(self.concepts, text)

    def _pairings(self, texts: dict[str, list[str]]) -> list[Pairing]:
        """One pairing for each prompt of the argument that mentions a concept."""
        holders = [name for name, strings in texts.items() if any(self._to_twin(s) != s for s in strings)]
        if len(holders) != 1:
            raise PipelineError(
                f"apply(): the concept is mentioned in the arguments {holders}, and this version follows "
                "one. Mention it in the prompt alone."
            )
        return [pair(self.pipe, self.tokenizer, self.concepts, text) for text in texts[holders[0]]]


def _adjusted(pairings: list[Pairing], result: Tensor, anchor: Tensor, reference: Tensor) -> Tensor:
    """One tensor of the encode step's result: itself, or a copy with the rows of the concept moved."""
    if not result.is_floating_point() or (result.shape == reference.shape and torch.equal(result, reference)):
        return result
    _check_layout(pairings, result, anchor, reference)
    per_prompt = len(result) // len(pairings)
    expected = [pairing.changes for pairing in pairings for _ in range(per_prompt)]
    if (result != reference).flatten(1).any(1).tolist() != expected:
        raise PipelineError(
            f"apply(): encode_prompt() returned {len(result)} rows for {len(pairings)} prompts, and those "
            "that follow the concept are not those that mention it, so rows cannot be told apart. Encode "
            "the prompt and its anchor yourself and use uncollapse.adjust()."
        )
    adjusted = result.clone()
    for row in (row for row, changes in enumerate(expected) if changes):
        adjusted[row] = pairings[row // per_prompt].adjust(result[row], anchor[row])
    return adjusted


def _check_ids(pairings: list[Pairing], given: set[tuple[int, ...]]) -> None:
    """Pairing is exact for the tokens the encoder got alone: not when the pipeline adds words of its own."""
    for pairing in pairings:
        if pairing.concepts and pairing.tokens[0].ids not in given:
            raise PipelineError(
                f"apply(): the text encoder was not given the tokens of {pairing.words.text!r} alone, padded "
                "to the tokenizer's length (but a template, or another length), so words cannot be paired by "
                "this version. Encode the prompt and its anchor yourself and use uncollapse.adjust()."
            )


def _check_layout(pairings: list[Pairing], result: Tensor, anchor: Tensor, reference: Tensor) -> None:
    shapes = {tuple(tensor.shape) for tensor in (result, anchor, reference)}
    length = len(pairings[0].tokens[0].ids)
    if (
        len(shapes) == 1
        and result.ndim == 3
        and result.shape[1] == length
        and len(result) % len(pairings) == 0
    ):
        return
    raise PipelineError(
        f"apply(): encode_prompt() returned a tensor of shape {list(result.shape)} (anchor twin: "
        f"{list(anchor.shape)}) for {len(pairings)} prompts, but this version knows [prompts × images, "
        f"{length} tokens, dim] only. Encode the prompt and its anchor yourself and use uncollapse.adjust()."
    )


def _warn_if_absent(strings: list[str], concepts: Sequence[Concept]) -> None:
    """Say so when a prompt will come out unadjusted because it mentions no concept."""
    if any(mentions(text, concept.placeholder) for text in strings for concept in concepts):
        return
    wanted = " or ".join(repr(concept.placeholder) for concept in concepts)
    what = (
        f"the prompt {strings[0] if len(strings) == 1 else strings!r} does not mention {wanted}"
        if strings
        else "prompt embeddings were passed instead of a prompt, so there is no text to find "
        f"{wanted} in; adjust them with uncollapse.adjust()"
    )
    warnings.warn(f"nothing is adjusted: {what}.", UncollapseWarning, stacklevel=4)
