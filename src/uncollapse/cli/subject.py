"""What ``generate`` draws from: the bundled miniature's own concept, or what the user put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..comparison import Measure, clip_measure
from ..concept import Concept
from ..errors import PipelineError, PlaceholderError
from ..learned_embeds import load_into
from ..metrics import ClipScorer
from ..models.custom_diffusion import load_custom_diffusion
from ..models.loading import check_placeholder, check_trigger, load_images, load_lora, load_pipeline
from ..vocabulary.tables import vocabularies_of
from .anchor import anchor_within, suggested_anchor
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


@dataclass(frozen=True)
class Parts:
    """What the user's pipeline is put together from, each a path or a hub id."""

    model: str | None = None
    lora: str | None = None
    embedding: str | None = None
    custom_diffusion: str | None = None


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
    parts: Parts,
    device: str | None,
    dtype: str | None,
) -> Subject:
    """A pipeline put together from the user's model (or the miniature), LoRA, embedding, Custom Diffusion."""
    if not placeholder:
        raise PlaceholderError(
            'Which words call the concept? Give them with --placeholder, such as "sks dog".'
        )
    anchor = anchor if anchor is not None or parts.embedding else anchor_within(placeholder)
    if anchor is not None:
        Concept(placeholder, anchor, **how)  # what is wrong with it is said before anything is loaded
    if parts.lora:
        check_trigger(parts.lora, placeholder)
    quieten_loading()
    pipe = load_pipeline(parts.model or miniature_folder(), device=device, dtype=chosen_dtype(dtype))
    if parts.lora:
        load_lora(pipe, parts.lora)
    if parts.custom_diffusion:
        load_custom_diffusion(pipe, parts.custom_diffusion)
    if parts.embedding:
        anchor = anchor if anchor is not None else suggested_anchor(parts.embedding, vocabularies_of(pipe))
        load_into(pipe, parts.embedding, placeholder)
    check_placeholder(pipe, placeholder)
    run: dict[str, object] = {
        "model": parts.model or BUNDLED,
        "LoRA": parts.lora,
        "embedding": parts.embedding,
        "Custom Diffusion": parts.custom_diffusion,
        "placeholder": placeholder,
        "anchor": anchor,
    }
    return Subject(pipe, Concept(placeholder, anchor or "", **how), run)


def miniature_folder() -> Path:
    """Where the bundled miniature is, for commands that were given no model."""
    from ..miniature import MODEL

    return MODEL


def measured_subject(subject: Subject, references: Path | None, clip: str | None) -> Subject:
    """With the user's photos and CLIP in place of what was there."""
    photos = load_images(references) if references else list(subject.references)
    measures = list(subject.measures)
    if clip:
        measures = [clip_measure(ClipScorer.from_pretrained(clip), subject.concept.anchor, photos)]
    return replace(subject, references=photos, measures=measures)


def chosen_dtype(name: str | None) -> torch.dtype | None:
    """What ``--dtype`` names. Raises: PipelineError."""
    if name is not None and name not in DTYPES:
        raise PipelineError(f"--dtype {name} is none of {', '.join(DTYPES)}.")
    return DTYPES[name] if name else None
