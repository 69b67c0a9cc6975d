"""Prompts and seeds to images, so that a seed means the same image however the work is batched.

Each image draws its noise from a generator of its own, made on the CPU: neither the batch size nor the device
changes it beyond rounding, and an unadjusted and an adjusted image with one seed start from one noise.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..components import Pipeline
from ..errors import PipelineError, Setting, UncollapseWarning

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["GenerationSettings", "generate", "generating"]


@dataclass(frozen=True)
class GenerationSettings:
    """What the pipeline is called with beside prompts and seeds; ``None`` leaves the pipeline's default."""

    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    negative_prompt: str | None = None
    height: int | None = None
    width: int | None = None
    batch_size: int = 4

    def __post_init__(self) -> None:
        for name in ("num_inference_steps", "height", "width", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PipelineError("GenerationSettings(): ", Setting(name), f"={value}: must be at least 1.")
        if self.guidance_scale is not None and not math.isfinite(self.guidance_scale):
            raise PipelineError(
                "GenerationSettings(): ",
                Setting("guidance_scale"),
                f"={self.guidance_scale}: must be finite.",
            )
        for one, other in (("width", "height"), ("height", "width")):
            if getattr(self, one) and not getattr(self, other):
                raise PipelineError(
                    "GenerationSettings(): ",
                    Setting(one),
                    "="
                    + str(getattr(self, one))
                    + ": there are pipelines that pass over one without the other. "
                    "Give ",
                    Setting(other),
                    " too.",
                )

    def given(self) -> dict[str, Any]:
        """The settings that are not ``None``, as the pipeline names them."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        del fields["batch_size"]
        return fields


def generate(
    pipe: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: GenerationSettings | None = None,
    on_images: Callable[[int], object] = lambda count: None,
    call: Mapping[str, Any] | None = None,
) -> list[Image]:
    """One image for each (prompt, seed) pair, in order.

    Args:
        pipe: any diffusers pipeline that returns ``.images``.
        prompts: one a picture.
        seeds: one a picture; equal seeds start from equal noise.
        settings: shared by all pictures.
        on_images: called with the number of images just finished, for progress.
        call: further arguments of the pipeline's call, which take the place of the settings.

    Returns: as many PIL images as there are prompts.
    """
    return list(generating(pipe, prompts, seeds, settings, on_images, call))


def generating(
    pipe: Any,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: GenerationSettings | None = None,
    on_images: Callable[[int], object] = lambda count: None,
    call: Mapping[str, Any] | None = None,
) -> Iterator[Image]:
    """The images of ``generate``, one after the other, a batch in memory at a time."""
    settings = settings or GenerationSettings()
    _check_taken(pipe, settings)
    pairs = list(zip(prompts, seeds, strict=True))
    for start in range(0, len(pairs), settings.batch_size):
        batch = pairs[start : start + settings.batch_size]
        try:
            images = pipe(**_batch_arguments(batch, settings, call or {})).images
        except ValueError as error:
            if unfit := _unfit_size(error, settings):
                raise unfit from error
            raise
        on_images(len(batch))
        if not start:
            _say_of_another_size(images[0], settings)
        yield from images


def _check_taken(pipe: Any, settings: GenerationSettings) -> None:
    """Raise PipelineError for a setting that this pipeline has not."""
    takes = inspect.signature(pipe).parameters
    if any(each.kind is each.VAR_KEYWORD for each in takes.values()):
        return
    for name in settings.given():
        if name not in takes:
            raise PipelineError(f"{type(pipe).__name__} takes no ", Setting(name), ". Leave it out.")


def _unfit_size(error: ValueError, settings: GenerationSettings) -> PipelineError | None:
    """What a pipeline says that has looked at height and width; None where it is something else."""
    found = re.search(r"divisible by (\d+)", str(error))
    given = {name: getattr(settings, name) for name in ("width", "height") if getattr(settings, name)}
    if found is None or not given:
        return None
    unit = int(found[1])
    wrong = {name: value for name, value in given.items() if value % unit} or given
    name, value = next(iter(wrong.items()))
    near = " or ".join(str(each) for each in (value // unit * unit, (value // unit + 1) * unit) if each)
    return PipelineError(
        Setting(name), f" {value}: this model draws multiples of {unit} pixels only. Give {near}."
    )


def _say_of_another_size(image: Any, settings: GenerationSettings) -> None:
    """Some pipelines round in silence."""
    size = getattr(image, "size", None)
    wanted = (settings.width, settings.height)
    if isinstance(size, tuple) and any(
        w is not None and w != has for w, has in zip(wanted, size, strict=True)
    ):
        warnings.warn(
            f"Pictures are {size[0]}×{size[1]} pixels, the nearest to what was asked that this model draws.",
            UncollapseWarning,
            stacklevel=3,
        )


def _batch_arguments(
    batch: Sequence[tuple[str, int]], settings: GenerationSettings, call: Mapping[str, Any]
) -> dict[str, Any]:
    arguments = settings.given() | dict(call)
    negative = arguments.get("negative_prompt")
    if isinstance(negative, str):  # pipelines want as many as there are prompts
        arguments["negative_prompt"] = [negative] * len(batch)
    arguments["prompt"] = [prompt for prompt, _ in batch]
    arguments["generator"] = [torch.Generator("cpu").manual_seed(seed) for _, seed in batch]
    return arguments
