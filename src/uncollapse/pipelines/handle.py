"""``apply(pipe, …)`` and the handle that undoes it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from ..anchors import check_anchor
from ..components import inner_pipelines, text_encoders, tokens_and_encoders
from ..concept import Concept
from ..errors import AdjustmentError, PipelineError, PlaceholderError
from ..placeholders import is_learned, learned_tokens
from .anchor_encoder import check_base
from .blocks import text_blocks, wrap_block
from .encode_step import METHODS, encode_methods, wrap_encode
from .prompt_level import AdjustedEncode
from .schedule import Schedule, wrap_call
from .token_level import rewrite_rows

__all__ = ["Handle", "apply"]


class Handle:
    """An adjustment in force. Leave its ``with`` block, or call ``remove()``, to undo it."""

    def __init__(self, concepts: tuple[Concept, ...], undo: ExitStack) -> None:
        self.concepts = concepts
        self._undo = undo

    def remove(self) -> None:
        """Give the pipeline back as it was, bit for bit. A second call does nothing."""
        self._undo.close()

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"Handle({', '.join(map(repr, self.concepts))})"


def apply(
    pipe,
    concept: str | Concept | Iterable[Concept],
    *,
    base=None,
    schedule: Callable[[float], float] | None = None,
    **settings,
) -> Handle:
    """Adjust a diffusers pipeline until the handle is removed. Prompts, seeds and calls stay as they are.

    Args:
        pipe: a diffusers pipeline that encodes text by a method of its own, ``encode_prompt`` or the like, a
            modular pipeline, or one combined of such.
        concept: a placeholder, a ``Concept``, or several Concepts.
        base: a pipeline or text encoder that was never fine-tuned, to encode anchors at prompt level. Needed
            when the encoder's own weights were trained; adapters are switched off without it.
        schedule: at prompt level, what every alpha is multiplied by, from progress 0 (first denoising step)
            to 1 (last): ``lambda progress: 1 - progress``. For pipelines with ``callback_on_step_end``.
        settings: with a placeholder, the other fields of its ``Concept``: ``anchor`` (required), ``alpha``,
            ``beta``, ``norm_blend``, ``level``, ``anchor_encoder``, ``negative_encoder``.

    Returns: a handle, usable as a context manager.
        Level "auto" is the token level when the placeholder is made of learned tokens alone ("<my-cat>"),
        else the prompt level ("sks dog", "<new1> cat").
        In a prompt of several concepts, tokens outside the placeholders follow the mean of their settings.
        A pipeline is adjusted once at a time: a second ``apply`` is refused until the first is removed.
    Raises: PipelineError, PlaceholderError, AnchorError, AdjustmentError, EmbeddingError; the pipeline is
        then as it was.

    Example:
        >>> with uc.apply(pipe, "sks dog", anchor="dog", alpha=0.2):  # doctest: +SKIP
        ...     image = pipe("a photo of sks dog in the grand canyon").images[0]
    """
    concepts = _concepts(concept, settings)
    stages = _stages(pipe, base)
    pairs = {encoder: tokenizer for stage, _ in stages for tokenizer, encoder in tokens_and_encoders(stage)}
    in_table = [c for c in concepts if _level(c, pairs.values()) == "token"]
    in_prompt = [c for c in concepts if c not in in_table]
    _check_encoders(in_prompt)
    if schedule is not None and in_table:
        raise AdjustmentError(
            f"apply(): {in_table[0].placeholder!r} is adjusted in the token table, which is read before the "
            'first step, so it cannot follow a schedule. Pass level="prompt".'
        )
    for stage, its_base in stages:
        if its_base is not None:
            check_base(stage, its_base)

    with ExitStack() as undo:
        for owner in {
            id(x): x for x in (pipe, *(stage for stage, _ in stages), *(pairs if in_table else ()))
        }.values():
            _claim(owner, undo)
        for each in in_table:
            _rewrite_rows(pairs, each, undo)
        for stage, its_base in stages:
            stage_schedule = Schedule(schedule) if schedule is not None else None
            encode = AdjustedEncode(stage, in_prompt, in_table, its_base, stage_schedule)
            undo.callback(wrap_encode(stage, encode))
            for block in text_blocks(stage):
                undo.callback(wrap_block(block, encode))
            if stage_schedule is not None:
                undo.callback(wrap_call(stage, stage_schedule))
        return Handle(concepts, undo.pop_all())


def _stages(pipe, base) -> list[tuple]:
    """The pipeline, or those it is combined of, each with its base."""
    stages = [(pipe, base)] if encode_methods(pipe) or text_blocks(pipe) else []
    for name, part in inner_pipelines(pipe).items():
        if encode_methods(part):
            stages.append((part, getattr(base, name, base)))
    if not stages:
        raise PipelineError(
            f"apply(): {type(pipe).__name__} has none of the methods {', '.join(METHODS)} and no block "
            "that encodes text, so its prompt embeddings cannot be reached. Encode the prompt and its anchor "
            "yourself and use uncollapse.adjust()."
        )
    for stage, _ in stages:
        part = getattr(stage, "text_encoder", None)
        if part is not None and not text_encoders(stage):
            raise PipelineError(
                f"apply(): the text_encoder of {type(stage).__name__} is a {type(part).__name__}, which is "
                "no torch module, so its output is out of reach. Load the model's torch pipeline."
            )
    return stages


def _rewrite_rows(tokenizers: dict, concept: Concept, undo: ExitStack) -> None:
    """Adjust the concept's rows in every text encoder that has learned it."""
    knowing = [encoder for encoder, t in tokenizers.items() if learned_tokens(t, concept.placeholder)]
    if not knowing:
        raise PlaceholderError(
            f"apply(): {concept.placeholder!r} is no learned token of this pipeline's tokenizers, so there "
            "is no row to adjust. Load its embedding first (pipe.load_textual_inversion), or pass "
            'level="prompt".'
        )
    for encoder in knowing:
        undo.callback(rewrite_rows(tokenizers[encoder], encoder, concept))


def _concepts(concept: str | Concept | Iterable[Concept], settings: dict) -> tuple[Concept, ...]:
    if isinstance(concept, str):
        return (Concept(concept, **{"anchor": "", **settings}),)
    if settings:
        raise AdjustmentError(
            f"apply(): {', '.join(settings)} given beside a Concept, which has settings of its own. Set them "
            "in the Concept: Concept(placeholder, anchor, alpha=…)."
        )
    concepts = (concept,) if isinstance(concept, Concept) else tuple(concept)
    if not concepts or not all(isinstance(each, Concept) for each in concepts):
        raise AdjustmentError(
            f"apply(): {concept!r} is neither a placeholder nor Concepts. "
            'Pass "sks dog" with anchor="dog", or [Concept("sks dog", "dog"), …].'
        )
    names = [" ".join(each.placeholder.split()).casefold() for each in concepts]
    for name in {name for name in names if names.count(name) > 1}:
        raise PlaceholderError(f"apply(): two concepts have the placeholder {name!r}. Give each its own.")
    for each in concepts:
        for other in concepts:
            check_anchor(each.anchor, other.placeholder)
    return concepts


def _level(concept: Concept, tokenizers: Iterable) -> str:
    if concept.level != "auto":
        return concept.level
    return "token" if any(is_learned(each, concept.placeholder) for each in tokenizers) else "prompt"


def _check_encoders(concepts: Iterable[Concept]) -> None:
    for name in ("anchor_encoder", "negative_encoder"):
        if len({getattr(concept, name) for concept in concepts}) > 1:
            raise AdjustmentError(
                f"apply(): the concepts ask for both {name}='base' and 'tuned', but what a prompt needs is "
                f"encoded together. Give all the same {name}."
            )


_claimed: weakref.WeakSet = weakref.WeakSet()
_claiming = threading.Lock()


def _claim(owner: object, undo: ExitStack) -> None:
    """Note that ``owner`` is adjusted, so that it is not adjusted twice over."""
    with _claiming:
        if owner in _claimed:
            raise PipelineError(
                f"apply(): this {type(owner).__name__} is adjusted already, and adjusting it again would "
                "move it twice. Call handle.remove() first, or pass all concepts at once: apply(pipe, "
                "[Concept(…), …])."
            )
        _claimed.add(owner)
    undo.callback(_claimed.discard, owner)
