"""What ``generate`` draws from: the bundled miniature's own concept, or what the user put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..comparison import Measure
from ..concept import Concept
from ..errors import AnchorError, PipelineError, PlaceholderError
from ..learned_embeds import load_into
from ..loading import check_placeholder, check_trigger, load_images, load_lora, load_pipeline
from ..measures import clip_measure
from ..metrics import ClipScorer
from .bundled import bundled_concept, bundled_measures, bundled_pipeline
from .console import quieten_loading

if TYPE_CHECKING:
    from PIL.Image import Image

BUNDLED = "the bundled miniature"
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Subject:
    """What is drawn from, and what is known of it."""

    pipe: Any
    concept: Concept
    run: dict[str, object]  # how it was put together, for the report and the PNGs
    measures: Sequence[Measure] = ()
    references: Sequence[Image] = ()


def bundled_subject(placeholder: str | None, anchor: str | None, how: dict[str, Any]) -> Subject:
    """The miniature with its own concept, which supplies what was not given."""
    personal = bundled_concept(placeholder)
    concept = Concept(personal.placeholder, anchor or personal.anchor, **how)
    run: dict[str, object] = {
        "model": BUNDLED,
        "placeholder": concept.placeholder,
        "anchor": concept.anchor,
    }
    clip_only = bundled_measures(personal, concept)[1:]  # the judge wants to know what a prompt asks for
    return Subject(bundled_pipeline(personal), concept, run, clip_only, personal.reference_images())


def own_subject(
    placeholder: str | None,
    anchor: str | None,
    how: dict[str, Any],
    model: str | None,
    lora: str | None,
    embedding: str | None,
    device: str | None,
    dtype: str | None,
) -> Subject:
    """A pipeline put together from the user's model (or the miniature), LoRA and embedding."""
    if not placeholder:
        raise PlaceholderError(
            'Which words call the concept? Give them with --placeholder, such as "sks dog".'
        )
    if not anchor:
        raise AnchorError(f"What is '{placeholder}'? Give it in ordinary words with --anchor, such as dog.")
    concept = Concept(placeholder, anchor, **how)
    if lora:
        check_trigger(lora, placeholder)
    quieten_loading()
    pipe = load_pipeline(model or _miniature(), device=device, dtype=_dtype(dtype))
    if lora:
        load_lora(pipe, lora)
    if embedding:
        load_into(pipe, embedding, placeholder)
    check_placeholder(pipe, placeholder)
    run: dict[str, object] = {
        "model": model or BUNDLED,
        "LoRA": lora,
        "embedding": embedding,
        "placeholder": placeholder,
        "anchor": anchor,
    }
    return Subject(pipe, concept, run)


def _miniature() -> Path:
    from ..miniature import MODEL

    return MODEL


def measured_subject(subject: Subject, references: Path | None, clip: str | None) -> Subject:
    """With the user's photos and CLIP in place of what was there."""
    photos = load_images(references) if references else list(subject.references)
    measures = list(subject.measures)
    if clip:
        measures = [clip_measure(ClipScorer.from_pretrained(clip), subject.concept.anchor, photos)]
    return replace(subject, references=photos, measures=measures)


def _dtype(name: str | None) -> torch.dtype | None:
    if name is not None and name not in DTYPES:
        raise PipelineError(f"--dtype {name} is none of {', '.join(DTYPES)}.")
    return DTYPES[name] if name else None
