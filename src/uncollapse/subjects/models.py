"""Which model a word means: a folder, a hub id, a single file, a miniature; and how it is loaded, quietly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..admission import is_there
from ..errors import PipelineError, Setting
from ..models.loading import HUB_ID, load_pipeline

if TYPE_CHECKING:
    from ..miniature import Miniature

__all__ = [
    "check_model",
    "chosen_device",
    "chosen_dtype",
    "chosen_miniature",
    "located",
    "miniature_called",
    "quiet_pipeline",
    "quieten_loading",
]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
EARLIER = {"miniature": "unet"}  # what manifests of before call a miniature, beside its title
ENOUGH = 4  # parts of a path: uncollapse/miniature/data/model


def miniature_called(name: str | Path) -> Miniature | None:
    """The miniature of this name, title or folder, as commands and trajectories call it; or None.

    Of the folder only the end counts: where the package stands differs between machines.
    """
    from ..miniature import MINIATURES

    called = EARLIER.get(str(name), str(name))
    for each in MINIATURES.values():
        if called in (each.name, each.title) or Path(name).parts[-ENOUGH:] == each.model.parts[-ENOUGH:]:
            return each
    return None


def chosen_miniature(name: str | None = None) -> Miniature:
    """The miniature of this name or title; by default the first.

    Raises: PipelineError, where there is none.
    """
    from ..miniature import MINIATURES

    found = next(iter(MINIATURES.values())) if name is None else miniature_called(name)
    if found is None:
        raise PipelineError(f"There is no miniature '{name}', only {', '.join(map(repr, MINIATURES))}.")
    return found


def located(model: str | Path | None) -> tuple[str | Path, str]:
    """Where a model is and what reports call it; of a path or a hub id, both are itself.

    Args:
        model: a path, a hub id, or a miniature's name or title; None for the first miniature. What exists is
            a path.
    """
    if model is not None and (Path(model).expanduser().exists() or miniature_called(model) is None):
        return model, str(model)
    found = chosen_miniature(None if model is None else str(model))
    return found.model, found.title


def quiet_pipeline(
    model: str | Path | None, *, device: str | None = None, dtype: str | torch.dtype | None = None
) -> Any:
    """Load a pipeline that shows no bars, neither while it loads nor when it draws.

    Args:
        model: as ``located`` takes it.
        device, dtype: as ``load_pipeline`` takes them; a dtype may be given by name.

    Raises: PipelineError.
    """
    quieten_loading()
    pipe = load_pipeline(located(model)[0], device=chosen_device(device), dtype=chosen_dtype(dtype))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def check_model(model: str | Path | None) -> None:
    """Raise PipelineError for what is neither there nor could be a hub id; costs nothing."""
    source, _ = located(model)
    if not (is_there(Path(source).expanduser()) or HUB_ID.fullmatch(str(source))):
        load_pipeline(source)


def chosen_device(name: str | None) -> str | None:
    """A device that torch can use here; of CUDA ``load_pipeline`` asks.

    Raises: PipelineError.
    """
    if name is None or name.startswith("cuda"):
        return name
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise PipelineError(
            Setting("device"),
            f" {name}: torch knows no such device here. Leave it out, or give cpu, or where there is "
            "one cuda or mps.",
        ) from error
    return name


def chosen_dtype(name: str | torch.dtype | None) -> torch.dtype | None:
    """The type of weights that is meant by "float32", "float16" or "bfloat16"; others pass as they are.

    Raises: PipelineError.
    """
    if not isinstance(name, str):
        return name
    if name not in DTYPES:
        raise PipelineError(Setting("dtype"), f" {name} is none of {', '.join(DTYPES)}.")
    return DTYPES[name]


def quieten_loading() -> None:
    """No bars of diffusers and transformers while a pipeline loads; imports both, so only where one does."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
