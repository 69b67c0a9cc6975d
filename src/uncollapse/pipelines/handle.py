"""``apply(pipe, …)``: what is asked for is checked, and put in force."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from ..adjusters import Adjuster, Beside, ByRole
from ..anchors import check_anchor
from ..components import (
    Pipeline,
    TextEncoder,
    Tokenizer,
    encoder_names,
    inner_pipelines,
    text_encoders,
    tokens_and_encoders,
)
from ..concept import UNSET, Concept, Unset
from ..errors import AdjustmentError, PipelineError, PlaceholderError, UncollapseWarning
from ..placeholders import is_learned, learned_tokens, unlearned_names
from .anchor_encoder import Base, check_base, one_at_a_time
from .blocks import text_blocks, wrap_block
from .encode_step import ENCODE_METHODS, encode_methods, wrap_encode
from .in_force import Handle, claim, claim_output, claim_rows
from .own_methods import give_methods
from .prompt_level import AdjustedEncode
from .schedule import Schedule, share_at, wrap_call
from .sources import source_names
from .token_level import rewrite_rows

__all__ = ["apply", "level_of"]


def apply(
    pipe: Pipeline,
    concept: str | Concept | Iterable[Concept],
    *,
    anchor: str | None = None,
    alpha: float | ByRole | Unset = UNSET,
    beta: float | Unset | None = UNSET,
    norm_blend: float | Unset | None = UNSET,
    level: str | Unset = UNSET,
    anchor_encoder: str | Unset = UNSET,
    negative_encoder: str | Unset = UNSET,
    encoders: str | Unset = UNSET,
    adjuster: Adjuster | None = None,
    base: Pipeline | nn.Module | None = None,
    schedule: Callable[[float], float] | None = None,
) -> Handle:
    """Adjust a diffusers pipeline until the handle is removed. Prompts, seeds and calls stay as they are.

    Args:
        pipe: a diffusers pipeline that encodes text by a method of its own, ``encode_prompt`` or the like, a
            modular pipeline, or one combined of such.
        concept: a placeholder, a ``Concept``, or several Concepts.
        anchor: with a placeholder, and required then: what it is, in ordinary words.
        alpha, beta, norm_blend, level, anchor_encoder, negative_encoder, encoders, adjuster: with a
            placeholder, the other settings of its ``Concept``; those not given are as a Concept has them.
        base: a pipeline or text encoder that was never fine-tuned, to encode anchors at prompt level. Needed
            when the encoder's own weights were trained; adapters are switched off without it.
        schedule: at prompt level, what every alpha is multiplied by, from progress 0 (first denoising step)
            to 1 (last): ``lambda progress: 1 - progress``. For pipelines with ``callback_on_step_end``.

    Returns: a handle, usable as a context manager.
        Level "auto" is the token level when the placeholder is made of learned tokens alone ("<my-cat>"),
        else the prompt level ("sks dog", "<new1> cat").
        In a prompt of several concepts, tokens outside the placeholders follow the mean of their settings; a
        prompt whose concepts have adjusters that cannot be mixed raises AdjustmentError when it is encoded.
        A pipeline is adjusted once at a time: a second ``apply`` is refused until the first is removed.
    Raises: PipelineError, PlaceholderError, AnchorError, AdjustmentError, EmbeddingError; the pipeline is
        then as it was.

    Example:
        >>> with uc.apply(pipe, "sks dog", anchor="dog", alpha=0.2):  # doctest: +SKIP
        ...     image = pipe("a photo of sks dog in the grand canyon").images[0]
    """
    given = _given(
        anchor=UNSET if anchor is None else anchor,
        alpha=alpha,
        beta=beta,
        norm_blend=norm_blend,
        level=level,
        anchor_encoder=anchor_encoder,
        negative_encoder=negative_encoder,
        encoders=encoders,
        adjuster=UNSET if adjuster is None else adjuster,
    )
    with one_at_a_time:
        handle = Handle(_concepts(concept, given))
        try:
            _put_in_force(handle, pipe, base, schedule)
        except BaseException:
            handle.remove()
            raise
        return handle


def level_of(pipe: Pipeline, concept: Concept) -> str:
    """Where ``apply`` would adjust a concept in this pipeline: "token" or "prompt".

    Raises: PipelineError, AdjustmentError, as ``apply``.
    """
    stages = _stages(pipe, None)
    return _level(concept, [tokenizer for stage, _ in stages for tokenizer, _ in tokens_and_encoders(stage)])


def _put_in_force(
    handle: Handle, pipe: Pipeline, base: Base, schedule: Callable[[float], float] | None
) -> None:
    stages = _stages(pipe, base)
    pairs = {encoder: tokenizer for stage, _ in stages for tokenizer, encoder in tokens_and_encoders(stage)}
    for concept in handle.concepts:
        _check_learned(concept, pairs.values())
    in_table = [c for c in handle.concepts if _level(c, pairs.values()) == "token"]
    in_prompt = [c for c in handle.concepts if c not in in_table]
    _check_encoders(in_prompt)
    _check_beside(in_prompt)
    _check_named(handle.concepts, pipe, stages)
    if schedule is not None:
        _check_schedule(schedule, in_table, in_prompt)
    for stage, its_base in stages:
        if its_base is not None:
            check_base(stage, its_base)
    for owner in (pipe, *(stage for stage, _ in stages)):
        claim(owner, handle)
    for encoder in pairs if in_table else ():
        claim_rows(encoder, handle)
    for stage, _ in stages if in_prompt else ():
        for module in text_encoders(stage).values():
            claim_output(module, handle)
    names = {
        encoder: encoder_names(stage)[own]
        for stage, _ in stages
        for own, encoder in text_encoders(stage).items()
    }
    for each in in_table:
        _rewrite_rows(pairs, names, each, handle)
    for owner in {id(each): each for each in (pipe, *(stage for stage, _ in stages)) if in_table}.values():
        _warn_when_saved(owner, in_table, handle)
    _warn_of_released(handle.concepts)
    for stage, its_base in stages:
        _wrap(stage, in_prompt, in_table, its_base, schedule, handle)


def _wrap(
    stage: Pipeline,
    in_prompt: Sequence[Concept],
    in_table: Sequence[Concept],
    base: Base,
    factor: Callable[[float], float] | None,
    handle: Handle,
) -> None:
    """Have a pipeline encode its prompts adjusted."""
    schedule = Schedule(factor) if factor is not None else None
    encode = AdjustedEncode(stage, in_prompt, in_table, base, schedule)
    handle.undo_by(wrap_encode(stage, encode))
    for block in text_blocks(stage):
        handle.undo_by(wrap_block(block, encode))
    if schedule is not None:
        handle.undo_by(wrap_call(stage, schedule))


def _stages(pipe: Pipeline, base: Base) -> list[tuple[Pipeline, Base]]:
    """The pipeline, or those it is combined of, each with its base."""
    stages = [(pipe, base)] if encode_methods(pipe) or text_blocks(pipe) else []
    for name, part in inner_pipelines(pipe).items():
        if encode_methods(part):
            stages.append((part, getattr(base, name, base)))
    if not stages:
        raise PipelineError(
            f"apply(): {type(pipe).__name__} has none of the methods {', '.join(ENCODE_METHODS)} and no "
            "block that encodes text, so its prompt embeddings cannot be reached. Encode the prompt and its "
            "anchor yourself and use uncollapse.adjust()."
        )
    for stage, _ in stages:
        encoder = getattr(stage, "text_encoder", None)
        if encoder is not None and not text_encoders(stage):
            raise PipelineError(
                f"apply(): the text_encoder of {type(stage).__name__} is a {type(encoder).__name__}, which "
                "is no torch module, so its output is out of reach. Load the model's torch pipeline."
            )
    return stages


def _rewrite_rows(
    tokenizers: dict[TextEncoder, Tokenizer], names: Mapping[Any, str], concept: Concept, handle: Handle
) -> None:
    """Adjust the concept's rows in every text encoder that has learned it, or in those that it names."""
    knowing = [encoder for encoder, t in tokenizers.items() if learned_tokens(t, concept.placeholder)]
    if not knowing:
        raise PlaceholderError(
            f"apply(): {concept.placeholder!r} is no learned token of this pipeline's tokenizers, so there "
            "is no row to adjust. Load its embedding first (pipe.load_textual_inversion), or pass "
            'level="prompt".'
        )
    learned = list(dict.fromkeys(names[encoder] for encoder in knowing))
    if not concept.movable <= set(learned):
        raise AdjustmentError(
            f"apply(): encoders={concept.encoders!r}, but {concept.placeholder!r} is adjusted in the token "
            f'table, and its rows are those of {", ".join(learned)}. Name these, or pass level="prompt".'
        )
    for encoder in (encoder for encoder in knowing if concept.moves(names[encoder])):
        handle.undo_by(rewrite_rows(tokenizers[encoder], encoder, concept))


def _warn_when_saved(pipe: Pipeline, in_table: Sequence[Concept], handle: Handle) -> None:
    names = ", ".join(repr(concept.placeholder) for concept in in_table)

    def save(own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"save_pretrained(): the rows of {names} are adjusted, and so they are saved. To save "
            "them as they were learned, remove the adjustment first: uncollapse.remove(pipe).",
            UncollapseWarning,
            stacklevel=3,
        )
        return own(*args, **kwargs)

    if hasattr(pipe, "save_pretrained"):
        handle.undo_by(give_methods(pipe, {"save_pretrained": save}))


def _given(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not UNSET}


def _concepts(concept: str | Concept | Iterable[Concept], settings: dict[str, Any]) -> tuple[Concept, ...]:
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


def _check_learned(concept: Concept, tokenizers: Collection[Tokenizer]) -> None:
    """A name in angle brackets is a learned token, unless it is said not to be."""
    missing = unlearned_names(tokenizers, concept.placeholder)
    if tokenizers and missing and concept.level != "prompt":
        raise PlaceholderError(
            f"apply(): {missing[0]!r} is no learned token of this pipeline's tokenizers, which read it as "
            "ordinary pieces of words. Load its embedding first (pipe.load_textual_inversion); if the model "
            'was trained on these very pieces, pass level="prompt".'
        )


def _level(concept: Concept, tokenizers: Iterable[Tokenizer]) -> str:
    if concept.level != "auto":
        return concept.level
    learned = any(is_learned(each, concept.placeholder) for each in tokenizers)
    level = "token" if learned else "prompt"
    if level not in concept.adjuster.levels:
        what = "made of learned tokens alone" if learned else "not made of learned tokens alone"
        raise AdjustmentError(
            f"apply(): {concept.placeholder!r} is {what}, so it is adjusted at the {level} level, which "
            f"{concept.adjuster.label} is not meant for. Take another adjuster, or pass "
            f"level={' or '.join(repr(each) for each in sorted(concept.adjuster.levels))}."
        )
    return level


def _check_schedule(
    schedule: Callable[[float], float], in_table: Sequence[Concept], in_prompt: Sequence[Concept]
) -> None:
    share_at(schedule, 0.0)
    if in_table:
        raise AdjustmentError(
            f"apply(): {in_table[0].placeholder!r} is adjusted in the token table, which is read before the "
            'first step, so it cannot follow a schedule. Pass level="prompt".'
        )
    for concept in in_prompt:
        concept.adjuster.weakened(1.0)  # refused by one that has no strength


def _check_encoders(concepts: Sequence[Concept]) -> None:
    for name in ("anchor_encoder", "negative_encoder", "encoders"):
        asked = dict.fromkeys(getattr(concept, name) for concept in concepts)
        if len(asked) > 1:
            raise AdjustmentError(
                f"apply(): the concepts ask for {name}={' and '.join(map(repr, asked))}, but what a prompt "
                f"needs is encoded together. Give all the same {name}."
            )


def _check_beside(concepts: Sequence[Concept]) -> None:
    unlike = {concept.adjuster.beside: concept.adjuster.label for concept in concepts}
    if len(unlike) > 1:
        raise AdjustmentError(
            f"apply(): {' and '.join(unlike.values())} want different things beside a prompt's vectors, "
            "which are encoded together. Give the concepts adjusters of one kind."
        )


def _warn_of_released(concepts: Sequence[Concept]) -> None:
    for concept in concepts:
        if concept.adjuster.beside is Beside.RELEASED:
            warnings.warn(
                f"{concept.adjuster.label} repeats the released code with what is wrong in it: a word moves "
                "toward whatever stands in its place, as the tuned encoder hears it, and a learned token "
                "toward the piece inside words. It is for reproducing its figures alone.",
                UncollapseWarning,
                stacklevel=4,
            )


def _check_named(
    concepts: Sequence[Concept], pipe: Pipeline, stages: Sequence[tuple[Pipeline, Base]]
) -> None:
    there = list(dict.fromkeys(name for stage, _ in stages for name in source_names(stage)))
    for concept in concepts:
        if unknown := sorted(concept.movable - set(there)):
            raise AdjustmentError(
                f"apply(): encoders={concept.encoders!r}, but {type(pipe).__name__} has no {unknown[0]}. "
                f"It has {', '.join(there)}."
            )
