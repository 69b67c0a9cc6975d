"""`train`: a folder of photos and a pipeline in, a personalisation and its trajectory out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..components import Pipeline, modules
from ..errors import FileFormatError, OutputError, Setting, TrainingError
from ..output import check_writable
from ..trajectory import NAME, Trajectory, read_trajectory
from .captions import read_captions
from .families import Family, family_of
from .latents import encode_pictures
from .learner import Task
from .loop import OnStep, fit, make_accelerator
from .methods import METHODS
from .photos import checksums, read_photos
from .previews import draw_preview, join_previews
from .settings import Settings
from .state import STATE

__all__ = ["train"]


def train(
    pipe: Pipeline,
    photos: str | Path,
    folder: str | Path,
    settings: Settings,
    *,
    resume: bool = False,
    base_model: str | None = None,
    on_step: OnStep = lambda step, loss: None,
) -> Trajectory:
    """Teach a concept to a pipeline's model, and keep how it came to know it.

    Args:
        pipe: Stable Diffusion, SDXL or Flux. It is given back as it was: load what was written.
        photos: a folder of 3 to 30 images of the concept; for ``Reversion`` with their prompts.
        folder: for the result, ``trajectory.json`` with its ``steps``, previews, and the state that a killed
            run goes on from.
        settings: ``TextualInversion(…)`` or those of another of ``METHODS``; they choose the method.
        resume: go on with the training that the folder holds; the result is that of an uninterrupted one.
        base_model: what the files say it was trained on; by default what the pipeline was loaded from.
        on_step: called after each step with the number taken and the loss.

    Returns: the trajectory, as `read_trajectory` reads it from the folder.
    Raises: FileFormatError, for the photos; TrainingError, PipelineError, PlaceholderError, for what cannot
        be trained; OutputError, for the folder; KeyboardInterrupt, after Ctrl-C, with the state saved.
    """
    folder = Path(folder)
    _check_method(settings)
    _check_folder(folder, resume)
    family = family_of(pipe)
    _check_resolution(pipe, settings)
    pictures = read_photos(photos, settings.resolution or family.resolution)
    captions = read_captions(photos, settings.placeholder) if settings.captioned else []
    base_model = str(base_model or pipe.name_or_path or type(pipe).__name__)
    accelerator = make_accelerator(settings, family.device, folder)
    accelerator.wait_for_everyone()  # nobody writes before all have looked
    start = Trajectory(
        folder,
        settings.name,
        settings.concept,
        settings.class_word,
        base_model,
        settings=settings.recorded(),
        photos=str(Path(photos).absolute()),
        dtype=str(family.denoiser.dtype).removeprefix("torch."),
    )
    seen = {"photos": checksums(photos)} | ({"captions": captions} if settings.captioned else {})
    metadata = {"class_word": settings.class_word, "base_model": base_model}
    with _frozen(family, settings), torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        task = Task(family, encode_pictures(pipe, pictures), folder, metadata, accelerator, captions)
        with settings.learner(task) as learner:
            trajectory = fit(
                accelerator,
                learner,
                settings,
                start,
                seen=seen,
                resume=resume,
                preview=lambda step: draw_preview(pipe, settings, folder, step),
                on_step=on_step,
            )
            if accelerator.is_main_process:
                learner.save(folder / learner.result, settings.steps)
                join_previews(settings, folder)
    return trajectory


def _check_method(settings: Settings) -> None:
    if METHODS.get(settings.name) is not type(settings):
        raise TrainingError(
            f"train(): {type(settings).__name__} is no registered method, so what it writes could not be "
            f"read. Write @registered above it, or take one of {', '.join(METHODS)}."
        )


def _check_resolution(pipe: Pipeline, settings: Settings) -> None:
    unit = getattr(pipe, "vae_scale_factor", 1)
    if settings.resolution and settings.resolution % unit:
        raise settings.refused("resolution", f"this model sees multiples of {unit} pixels only")


def _check_folder(folder: Path, resume: bool) -> None:
    check_writable(folder)
    if not resume and _holds_something(folder):
        raise OutputError(
            f"'{folder}' holds a training already. Go on with it (",
            Setting("resume"),
            "), or give another folder.",
        )


def _holds_something(folder: Path) -> bool:
    """Whether a training has left more than its name there."""
    if (folder / STATE).exists() or not (folder / NAME).exists():
        return (folder / STATE).exists()
    try:
        return bool(read_trajectory(folder).checkpoints)
    except FileFormatError:
        return True


@contextmanager
def _frozen(family: Family, settings: Settings) -> Iterator[None]:
    """Nothing of the pipeline takes gradients, but what a method adds; as it was, afterwards."""
    models = modules(family.pipe).values()
    took = [(parameter, parameter.requires_grad) for model in models for parameter in model.parameters()]
    modes = [(module, module.training) for model in models for module in model.modules()]
    checkpointing = settings.gradient_checkpointing and not family.denoiser.is_gradient_checkpointing
    for model in models:
        model.requires_grad_(False).eval()
    if checkpointing:
        family.denoiser.enable_gradient_checkpointing()
    try:
        yield
    finally:
        if checkpointing:
            family.denoiser.disable_gradient_checkpointing()
        for parameter, flag in took:
            parameter.requires_grad_(flag)
        for module, mode in modes:
            module.training = mode
