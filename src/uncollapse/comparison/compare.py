"""Drawing a comparison: the same prompts and seeds in every arm, and every picture measured.

Each picture goes to disk when it is drawn. Each arm is measured when it is complete, all its pictures in one
call of every measure, so that figures do not depend on how the drawing was divided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from ..concept import Concept
from ..models.generation import GenerationSettings, generating
from .arms import Arm
from .measures import Measure
from .prompts import ContextPrompt
from .records import Album, Comparison, Images, Record

__all__ = ["compare", "comparing"]


def compare(
    pipe: Any,
    concept: Concept,
    prompts: Sequence[ContextPrompt],
    seeds: Sequence[int],
    arms: Sequence[Arm],
    settings: GenerationSettings | None = None,
    measures: Sequence[Measure] = (),
    on_images: Callable[[int], object] = lambda count: None,
    *,
    base: Any = None,
    album: Album | None = None,
) -> Comparison:
    """Draw every prompt with every seed in every arm, and measure the pictures.

    Args:
        pipe: a personalised pipeline; left as it was found.
        concept: its placeholder and anchor; the strength comes from each arm.
        prompts: each with a gap for the subject.
        seeds: of every prompt.
        arms: at least one; their names differ.
        settings: how the pipeline is called.
        measures: each maps pictures and their prompts to one dictionary of scores a picture.
        on_images: called with the number of pictures just drawn.
        base: a pipeline that was never fine-tuned: it draws the arms that are not personalised, and encodes
            the anchor of the others. None for ``pipe`` with its adapters off.
        album: keeps the pictures; None for a temporary folder that lives as long as the comparison.

    Raises: PipelineError, PlaceholderError, AnchorError, AdjustmentError, EmbeddingError; OutputError, where
        a picture cannot be written.
    """
    *_, whole = comparing(
        pipe, concept, prompts, seeds, arms, settings, measures, on_images, base=base, album=album
    )
    return whole


def comparing(
    pipe: Any,
    concept: Concept,
    prompts: Sequence[ContextPrompt],
    seeds: Sequence[int],
    arms: Sequence[Arm],
    settings: GenerationSettings | None = None,
    measures: Sequence[Measure] = (),
    on_images: Callable[[int], object] = lambda count: None,
    *,
    base: Any = None,
    album: Album | None = None,
) -> Iterator[Comparison]:
    """The comparison of ``compare``, which has the same arguments, after each of its arms.

    Whoever is interrupted has the arms that were complete. Between two arms the pipeline is as it was found.
    """
    known = Comparison(
        concept, (), tuple(prompts), tuple(seeds), settings or GenerationSettings(), (), album or Album()
    )
    for arm in arms:
        records = _measured(measures, _drawn(pipe, base, arm, known, on_images), known)
        known = replace(known, arms=(*known.arms, arm), records=(*known.records, *records))
        yield known


def _drawn(
    pipe: Any, base: Any, arm: Arm, known: Comparison, on_images: Callable[[int], object]
) -> list[Record]:
    """The pictures of one arm, kept, not yet measured; those that the album has are not drawn again."""
    wanted = [
        (arm.asked(known.concept, prompt.template), number, prompt.context, seed)
        for (number, prompt), seed in product(enumerate(known.prompts), known.seeds)
    ]
    files = [known.album.found(arm, text, number, seed) for text, number, _, seed in wanted]
    missing = [i for i, file in enumerate(files) if file is None]
    if len(missing) < len(files):
        on_images(len(files) - len(missing))
    if missing:
        with arm.drawing(pipe, known.concept, base) as drawer:
            asked, seeds = [wanted[i][0] for i in missing], [wanted[i][3] for i in missing]
            images = generating(drawer, asked, seeds, known.settings, on_images, arm.call)
            for i, image in zip(missing, images, strict=True):
                text, number, _, seed = wanted[i]
                files[i] = known.album.keep(image, arm, text, number, seed)
    return [
        Record(arm.name, text, context, seed, file)
        for (text, _, context, seed), file in zip(wanted, files, strict=True)
        if file is not None
    ]


def _measured(measures: Sequence[Measure], records: Sequence[Record], known: Comparison) -> list[Record]:
    """The records of one arm with their scores."""
    prompts = [prompt for prompt, _ in product(known.prompts, known.seeds)]
    images = Images(records)
    measured = list(records)
    for measure in measures:
        scores = measure(images, prompts)
        measured = [
            replace(record, scores=record.scores | more)
            for record, more in zip(measured, scores, strict=True)
        ]
    return measured
