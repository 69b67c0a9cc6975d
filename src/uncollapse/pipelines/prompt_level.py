"""Prompt level: the text encoder's output, for DreamBooth, LoRA and Custom Diffusion.

A prompt that mentions a concept is encoded twice, as it is and as its *anchor twin*, with the placeholder
replaced by the anchor. Each of the prompt's own vectors moves toward its partner in the twin. Whatever does
not follow the concept (negative prompts, masks, other rows of the batch) is passed on untouched, or encoded
by the base encoder where that is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import BoundArguments
from typing import Any

from ..adjusters import Beside, Given
from ..components import Pipeline
from ..concept import Concept
from ..errors import PipelineError, UncollapseWarning
from ..placeholders import mentions
from .anchor_encoder import Base, base_encoder, one_at_a_time
from .cache import Answers
from .encode_step import Encode, call, changed, prompts
from .encoded import Encoded
from .encoder_calls import record
from .following import by_ids
from .pairing import to_twin
from .resemblance import by_resemblance
from .schedule import Schedule
from .sources import numbers_of

__all__ = ["AdjustedEncode", "warn_if_doubled"]


@dataclass(frozen=True)
class AdjustedEncode:
    """What runs in place of a pipeline's encode method.

    Args:
        pipe: the pipeline.
        concepts: those to adjust here, all with the same ``anchor_encoder``, ``negative_encoder``,
            ``encoders`` and what their adjusters want ``Beside``.
        elsewhere: concepts adjusted at token level, known here only so as to tell whether a prompt
            mentions any concept at all.
        base: see ``anchor_encoder.base_encoder``.
        schedule: of alpha over the denoising steps; None where it is constant.
        fits: concepts with their adjusters fitted, by the concept as it was given.
    """

    pipe: Pipeline
    concepts: Sequence[Concept]
    elsewhere: Sequence[Concept] = ()
    base: Base = None
    schedule: Schedule | None = None
    fits: dict[Concept, Concept] = field(default_factory=dict)

    def __call__(self, encode: Encode, bound: BoundArguments) -> Any:
        with one_at_a_time:
            return self._adjusted(encode, bound)

    def encoded(self, encode: Encode, bound: BoundArguments) -> Encoded:
        """A prompt and its anchor twin, for whoever adjusts them by himself."""
        with one_at_a_time:
            strings = [text for argument in prompts(bound).values() for text in argument]
            return self._encoded(encode, bound, list(self.concepts), strings)

    def _adjusted(self, encode: Encode, bound: BoundArguments) -> Any:
        strings = [text for argument in prompts(bound).values() for text in argument]
        _warn_if_absent(strings, [*self.concepts, *self.elsewhere])
        concepts = [c for c in self.concepts if any(mentions(text, c.placeholder) for text in strings)]
        if not concepts:
            return self._without_concept(encode, bound)
        for text in strings:
            warn_if_doubled(concepts, text)
        encoded = self._encoded(encode, bound, concepts, strings)
        if not encoded.changes:
            _warn_if_cut_off(strings)
        concepts = [self._fitted(encode, bound, concept) for concept in concepts]
        return self.schedule.start(encoded, concepts) if self.schedule else encoded.adjusted(concepts)

    def _without_concept(self, encode: Encode, bound: BoundArguments) -> Any:
        if not any(concept.negative_encoder == "base" for concept in self.concepts):
            return call(encode, bound)
        with base_encoder(self.pipe, self.base):
            return call(encode, bound)

    def _fitted(self, encode: Encode, bound: BoundArguments, concept: Concept) -> Concept:
        """The concept with its adjuster fitted to this pipeline, once."""
        if concept.adjuster.contexts and concept not in self.fits:
            adjuster = concept.adjuster.fitted(self._examples(encode, bound, concept))
            self.fits[concept] = replace(concept, adjuster=adjuster)
        return self.fits.get(concept, concept)

    def _examples(self, encode: Encode, bound: BoundArguments, concept: Concept) -> Iterator[Given]:
        """What the adjuster's contexts give, each in the place of every prompt."""
        for context in concept.adjuster.contexts:
            text = context.replace("{}", concept.placeholder)
            given = changed(bound, partial(_text, text))
            yield from self._encoded(encode, given, [concept], [text]).examples()

    def _encoded(
        self, encode: Encode, bound: BoundArguments, concepts: list[Concept], strings: list[str]
    ) -> Encoded:
        run, run_twin = partial(call, encode, bound), partial(call, encode, bound, partial(to_twin, concepts))
        how, answers = concepts[0], Answers(self.pipe)
        beside = how.adjuster.beside
        result, own_calls = record(self.pipe, run, answers=answers)
        base_others = how.negative_encoder == "base"
        if how.anchor_encoder == "tuned" or beside is Beside.RELEASED:
            differs = False
            anchor, calls = record(self.pipe, run_twin, own_calls, answers)
        else:
            with base_encoder(self.pipe, self.base) as differs:
                anchor, calls = record(self.pipe, run_twin, None if base_others else own_calls, answers)
        in_place = calls if beside is Beside.RELEASED else None
        if beside is Beside.EMPTY:
            in_place = record(
                self.pipe, partial(call, encode, bound, partial(_text, "")), own_calls, answers
            )[1]
        encoded = by_ids(
            self.pipe, concepts, run, result, own_calls, calls, strings, base_others, beside=in_place
        )
        if encoded is not None:
            may = numbers_of(self.pipe, run, result, own_calls, how.movable) if how.movable else None
            return encoded if may is None else encoded.only(may)
        self._check_told(how)
        _warn_of_resemblance(self.pipe)
        reference = record(self.pipe, run_twin, own_calls, answers)[0] if differs else anchor
        return by_resemblance(result, anchor, reference, concepts)

    def _check_told(self, concept: Concept) -> None:
        """Raise PipelineError for what cannot be done where nobody sees what the encoders are given."""
        for wanted, outcome in (
            (
                concept.negative_encoder == "base",
                "its negative prompt cannot be encoded apart. Leave negative_encoder out.",
            ),
            (concept.movable, "whose vectors are whose cannot either. Leave encoders out."),
            (
                concept.adjuster.beside is not Beside.ANCHOR,
                f"what {concept.adjuster.label} needs beside each cannot either. Take another adjuster.",
            ),
        ):
            if wanted:
                raise PipelineError(
                    f"apply(): what text {type(self.pipe).__name__} gives its encoders cannot be told, so "
                    + outcome
                )


def _text(text: str, _: str) -> str:
    """``text``, whatever was asked for."""
    return text


def warn_if_doubled(concepts: Sequence[Concept], text: str) -> None:
    twin = to_twin(concepts, text)
    for concept in concepts:
        noun = concept.anchor.split()[-1]
        twice = f"{noun} {noun}"
        if mentions(twin, twice) and not mentions(text, twice):
            warnings.warn(
                f"the anchor twin reads {twin!r}, the noun twice. "
                f"If prompts always say '{concept.placeholder} {noun}', make that the placeholder.",
                UncollapseWarning,
                stacklevel=5,
            )


def _warn_if_cut_off(strings: list[str]) -> None:
    warnings.warn(
        f"nothing is adjusted: the text encoder hears no difference between {strings} and the anchor twin. "
        "Most likely the prompt is longer than its window, and the placeholder is in the part cut off. Put "
        "it nearer the start.",
        UncollapseWarning,
        stacklevel=5,
    )


def _warn_of_resemblance(pipe: Pipeline) -> None:
    warnings.warn(
        f"what {type(pipe).__name__} makes of each word cannot be told from token ids, so the prompt and its "
        "anchor twin are paired by what their vectors look like, which may pair a word with another. "
        "Look at the picture before you trust it.",
        UncollapseWarning,
        stacklevel=6,
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
