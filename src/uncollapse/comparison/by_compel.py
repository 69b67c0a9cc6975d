"""Compel's own weighting of the concept, through Compel: what "(sks dog)0.7" does there.

    z' = z + t/(1 + t) · (z₋ − z)        t = tan((1 − w) π/2), for a weight w below 1

with z₋ the encoding of the prompt in which the concept's words are masked. Above 1 it is ComfyUI's weighting.
Compel computes both; here only the prompt is handed to it, in pieces, so that nothing in a prompt is taken
for its syntax. For pipelines with one CLIP, such as Stable Diffusion 1 and 2.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..components import Pipeline, encoder_names, text_encoders
from ..concept import Concept
from ..errors import PipelineError, UncollapseError
from ..pipelines.encode_step import prompts, wrap_encode
from ..placeholders import substitute
from .arms import Arm

__all__ = ["ByCompel"]

Pieces = list[tuple[str, bool]]
"""Of a prompt, and whether each is the concept."""


@dataclass(frozen=True)
class ByCompel(Arm):
    """Draws with the concept's words at a weight, by Compel.

    Args:
        weight: 1 leaves them, 0 is without them.
    """

    weight: float = 1.0

    @contextmanager
    def drawing(self, pipe: Any, concept: Concept, base: Any = None) -> Iterator[Any]:
        encoded = _by_compel(pipe)

        def weighed(encode: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
            rows = [_pieces(pipe, concept, text) for text in prompts(bound).get("prompt", [])]
            if rows:  # else embeddings were passed
                bound.arguments["prompt_embeds"] = torch.cat([encoded(row, self.weight) for row in rows])
            return encode(*bound.args, **bound.kwargs)

        undo = wrap_encode(pipe, weighed)
        try:
            yield pipe
        finally:
            undo()

    @property
    def altered(self) -> bool:
        return True

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | {"compel": self.weight}


def _by_compel(pipe: Pipeline) -> Callable[[Pieces, float], Tensor]:
    """From a prompt in pieces, and the concept's weight, to its embedding, ``[1, tokens, dim]``."""
    try:
        from compel import Compel
    except ImportError as missing:
        raise UncollapseError("Weighting by Compel needs it: pip install compel") from missing
    encoders = text_encoders(pipe)
    kinds = [getattr(getattr(each, "config", None), "model_type", "") for each in encoders.values()]
    if kinds != ["clip_text_model"]:
        raise PipelineError(
            f"compel: {type(pipe).__name__} has {', '.join(encoder_names(pipe).values()) or 'no encoder'}, "
            "and this hands prompts to Compel for pipelines with one CLIP. Take the comfyui weight."
        )
    weigh = Compel(tokenizer=pipe.tokenizer, text_encoder=pipe.text_encoder)

    def encoded(pieces: Pieces, weight: float) -> Tensor:
        texts, weights = [text for text, _ in pieces], [weight if own else 1.0 for _, own in pieces]
        embeds: Tensor = weigh.conditioning_provider.get_embeddings_for_weighted_prompt_fragments(
            [texts], [weights], device=pipe.text_encoder.device
        )
        return embeds

    return encoded


def _pieces(pipe: Pipeline, concept: Concept, text: str) -> Pieces:
    """A prompt in pieces, learned tokens spelled out."""
    pieces, end = [], 0
    for start, stop in substitute(text, [(concept.placeholder, concept.anchor)]).spans:
        pieces += [(text[end:start], False), (text[start:stop], True)]
        end = stop
    pieces.append((text[end:], False))
    spelled = [(pipe.maybe_convert_prompt(each.strip(), pipe.tokenizer), own) for each, own in pieces]
    return [(each, own) for each, own in spelled if each] or [("", False)]
