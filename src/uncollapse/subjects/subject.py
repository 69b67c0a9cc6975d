"""`Subject`: what is drawn from, put together of the user's parts or of a miniature's own concept."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..comparison import Given, Measure, named_measures
from ..components import adapters_in, text_encoders
from ..concept import Concept
from ..errors import PipelineError, PlaceholderError, Setting, UncollapseWarning
from ..learned_embeds import load_into, read_all
from ..models.custom_diffusion import load_custom_diffusion
from ..models.loading import check_placeholder, check_trigger, load_images, load_lora, load_pipeline
from ..vocabulary.tables import vocabularies_of
from .anchor import Note, anchor_within, suggested_anchor
from .bundled import Bundled, bundled
from .models import (
    check_model,
    chosen_device,
    chosen_dtype,
    chosen_miniature,
    located,
    miniature_called,
    quiet_pipeline,
    quieten_loading,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..miniature import Miniature

__all__ = [
    "Parts",
    "Subject",
    "assembled",
    "base_pipeline",
    "bundled_subject",
    "measured_subject",
    "own_subject",
]

TEXT_PART = re.compile(r"(^|[._])(lora_te\d?|te\d?|text_encoders?(_\d)?|text_model|clip_[lg]|t5xxl)[._]")


@dataclass(frozen=True)
class Parts:
    """What the user's pipeline is put together from.

    Args:
        model: a path, a hub id, or a miniature's name or title; None for the first miniature.
        lora, embedding, custom_diffusion: each a path; a LoRA may be a hub id.
    """

    model: str | None = None
    lora: str | None = None
    embedding: str | None = None
    custom_diffusion: str | None = None

    @property
    def miniature(self) -> Miniature | None:
        """The miniature, where nothing but that is meant, so that it supplies its own concept."""
        if self != Parts(self.model):
            return None
        if self.model is None:
            return chosen_miniature()
        return None if Path(self.model).expanduser().exists() else miniature_called(self.model)


@dataclass(frozen=True)
class Subject:
    """What is drawn from, and what is known of it.

    Args:
        pipe: a diffusers pipeline, personalised.
        concept: its placeholder and anchor, and how they are adjusted.
        run: how it was put together, for reports and pictures.
        measures: what can be said of its pictures.
        references: photos of the concept.
        bundled: where it is a miniature's own concept.
        notes: what was chosen in the user's stead.
    """

    pipe: Any
    concept: Concept
    run: dict[str, object]
    measures: Sequence[Measure] = ()
    references: Sequence[Image] = ()
    bundled: Bundled | None = None
    notes: tuple[Note, ...] = ()

    @property
    def has_base(self) -> bool:
        """Whether a base model is left when the personalisation is put aside."""
        if self.run.get("Custom Diffusion"):
            return False
        return bool(self.bundled or self.run.get("LoRA") or self.run.get("embedding"))


def assembled(
    parts: Parts,
    placeholder: str | None = None,
    anchor: str | None = None,
    how: Mapping[str, Any] | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
) -> Subject:
    """What these parts make: a miniature's own concept where nothing else is meant, else the user's.

    Args:
        parts: of the pipeline.
        placeholder: what prompts call the concept; a miniature's own need not be named.
        anchor: what it is; None for what is found.
        how: further arguments of ``Concept``.
        device, dtype: of the user's pipeline; a miniature's own runs in float32 on the CPU.

    Raises: UncollapseError, of the part that does not fit.
    """
    if miniature := parts.miniature:
        _check_runs_as_it_does(device, dtype)
        return bundled_subject(placeholder, anchor, how, miniature)
    return own_subject(parts, placeholder, anchor, how, device=device, dtype=dtype)


def _check_runs_as_it_does(device: str | None, dtype: str | None) -> None:
    for name, value, only in (("device", device, "cpu"), ("dtype", dtype, "float32")):
        if value not in (None, only):
            raise PipelineError(
                Setting(name), f" {value}: a miniature's own concept runs with {only} only. Leave it out."
            )


def bundled_subject(
    placeholder: str | None = None,
    anchor: str | None = None,
    how: Mapping[str, Any] | None = None,
    miniature: Miniature | None = None,
) -> Subject:
    """A miniature with its own concept, which supplies what was not given."""
    own = bundled(placeholder, miniature)
    concept = own.concept(anchor, **how or {})
    run: dict[str, object] = {
        "model": own.miniature.title,
        "placeholder": concept.placeholder,
        "anchor": concept.anchor,
    }
    measures = [own.scored(concept.anchor)]  # not the judge, who wants to know what a prompt asks for
    return Subject(own.pipeline(), concept, run, measures, own.photos(), own)


def own_subject(
    parts: Parts,
    placeholder: str | None,
    anchor: str | None = None,
    how: Mapping[str, Any] | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
) -> Subject:
    """A pipeline put together from the user's model (or a miniature), LoRA, embedding, Custom Diffusion."""
    placeholder = placeholder or (_stated_placeholder(parts.embedding) if parts.embedding else None)
    if not placeholder:
        check_model(parts.model)
        raise PlaceholderError(
            "Which words call the concept? Give them with ", Setting("placeholder"), ', such as "sks dog".'
        )
    how = how or {}
    notes: tuple[Note, ...] = ()
    if anchor is None and not parts.embedding:
        anchor, notes = anchor_within(placeholder)
    if anchor is not None:
        Concept(placeholder, anchor, **how)  # what is wrong with it is said before anything is loaded
    model, title = located(parts.model)
    pipe = _pipeline(model, parts, placeholder, device, dtype)
    doubts = _unread_text_part(pipe, parts.lora) if parts.lora else ()
    if parts.embedding:
        if anchor is None:
            anchor, notes = suggested_anchor(parts.embedding, vocabularies_of(pipe))
        load_into(pipe, parts.embedding, placeholder)
    check_placeholder(pipe, placeholder)
    run: dict[str, object] = {
        "model": title,
        "LoRA": parts.lora,
        "embedding": parts.embedding,
        "Custom Diffusion": parts.custom_diffusion,
        "placeholder": placeholder,
        "anchor": anchor,
    }
    return Subject(pipe, Concept(placeholder, anchor or "", **how), run, notes=(*notes, *doubts))


def _stated_placeholder(file: str) -> str | None:
    """What an embedding file itself says prompts call it; None for a file's mere name, or for several."""
    [first, *others] = read_all(file)
    return None if others or first.placeholder == Path(file).stem else first.placeholder


def _pipeline(
    model: str | Path, parts: Parts, placeholder: str, device: str | None, dtype: str | None
) -> Any:
    """All but the embedding, whose anchor is found among the words that the model had before."""
    if parts.lora:
        check_trigger(parts.lora, placeholder)
    quieten_loading()
    pipe = load_pipeline(model, device=chosen_device(device), dtype=chosen_dtype(dtype))
    if parts.lora:
        load_lora(pipe, parts.lora)
    if parts.custom_diffusion:
        load_custom_diffusion(pipe, parts.custom_diffusion)
    return pipe


def _unread_text_part(pipe: Any, lora: str) -> tuple[Note, ...]:
    """A doubt, where a LoRA's file names a text encoder, and none of the pipeline took anything from it."""
    from safetensors import safe_open

    path = Path(lora).expanduser()
    files = [path] if path.suffix == ".safetensors" and path.is_file() else sorted(path.glob("*.safetensors"))
    if adapters_in(text_encoders(pipe).values()):
        return ()
    for file in files:
        with safe_open(file, framework="pt") as weights:
            names = [name for name in weights.keys() if TEXT_PART.search(name)]  # noqa: SIM118, no mapping
        if names:
            return (
                UncollapseWarning(
                    f"'{file}' holds {len(names)} weights of a text encoder, such as '{names[0]}', under "
                    f"names that {type(pipe).__name__} does not read: the LoRA draws without them. Save it "
                    "in diffusers' layout or kohya's, or load it with the model it was trained on."
                ),
            )
    return ()


def measured_subject(
    subject: Subject, references: str | Path | None, measured: Mapping[str, str | bool]
) -> Subject:
    """With the user's photos and CLIP in place of what was there, and with other measures beside it.

    Args:
        references: a folder of photos.
        measured: the measures asked for, as ``named_measures`` takes them.
    """
    photos = load_images(references) if references else list(subject.references)
    named = named_measures(measured, Given(subject.concept.anchor, photos))
    usual = [] if "clip" in named else subject.measures
    return replace(subject, references=photos, measures=[*usual, *named.values()])


def base_pipeline(
    base: str | None, parts: Parts, *, device: str | None = None, dtype: str | None = None
) -> Any:
    """The model before it was personalised, loaded once more where the subject's pipeline does not hold it.

    Args:
        base: as the user names it.
        parts: what the subject was assembled of.

    Returns: None where the pipeline with its adapters off is the base, or where there is none: a warning says
        so.
    Raises: PipelineError.
    """
    if base is None and parts.custom_diffusion:  # it changed the weights
        base = parts.model
    if base is not None:
        return quiet_pipeline(base, device=device, dtype=dtype)
    if parts.model and not (parts.lora or parts.embedding or parts.miniature):
        warnings.warn(_nothing_to_compare(), stacklevel=2)
    return None


def _nothing_to_compare() -> UncollapseWarning:
    return UncollapseWarning(
        "Without ",
        Setting("base"),
        ", ",
        Setting("lora"),
        " or ",
        Setting("embedding"),
        " there is nothing to compare the model with but itself.",
    )
