"""A pipeline from one file, as people share them: a ``.safetensors``, or a ``.ckpt`` of tensors alone.

diffusers converts the weights, and would fetch configs and tokenizers for them. Here it is handed those, made
of the file and of what is known of its kind, which is found out first, from names and shapes.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor

from ..admission import reason
from ..components import Pipeline
from ..errors import FileFormatError, PipelineError, UncollapseWarning
from ..vocabulary.clip import TOKENS
from ..weight_files import UNET, opened
from .checkpoint_configs import write_configs
from .checkpoint_kinds import VAE, WHOLE, Kind, Weights, kind_of, prediction_type

__all__ = ["load_single_file"]

PLAIN = {torch.float16, torch.bfloat16, torch.float32, torch.float64}


def load_single_file(file: Path, dtype: torch.dtype) -> Pipeline:
    """Load a checkpoint of Stable Diffusion 1, 2 or XL, on the CPU.

    Args:
        file: the checkpoint.
        dtype: of the pipeline's weights.

    Raises: PipelineError, for a file that is no such checkpoint, or an incomplete one; FileFormatError, for
        one that is damaged, holds code, or is loaded into a model rather than one itself.
    """
    weights, metadata = opened(file)
    kind = kind_of(weights, file)
    _check_weights(file, kind, weights)
    prediction, known = prediction_type(kind, weights, metadata)
    if not known:
        warnings.warn(_guessed(file, kind, prediction), stacklevel=3)
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_configs(Path(folder), kind, weights, prediction)
            pipe = _from_single_file(file, kind, folder, dtype)
    except KeyError as missing:
        raise PipelineError(
            f"'{file}' is an incomplete {kind.title}: it lacks {missing}. {WHOLE}"
        ) from missing
    except NotImplementedError as unfilled:  # torch's, for what diffusers found no numbers for
        raise PipelineError(
            f"'{file}' is an incomplete {kind.title}: weights are missing. {WHOLE}"
        ) from unfilled
    except Exception as error:  # diffusers and transformers raise whatever their conversion runs into
        raise PipelineError(f"'{file}' does not load as a {kind.title}: {reason(error)}") from error
    _check_all_used(file, kind, weights, pipe)
    pipe.register_to_config(_name_or_path=str(file))  # as from_pretrained() does: a training states it
    return pipe


def _check_weights(file: Path, kind: Kind, weights: Weights) -> None:
    parts = (UNET, VAE, *(encoder.prefix for encoder in kind.encoders))
    for name, value in weights.items():
        if not name.startswith(parts):
            continue
        if not isinstance(value, Tensor):
            raise FileFormatError(f"'{file}' is damaged: its '{name}' is a {type(value).__name__}.")
        if name.endswith("weight") and value.dtype not in PLAIN:
            raise PipelineError(
                f"'{file}' is quantised ({value.dtype}). Give the checkpoint in float32, float16 or bfloat16."
            )
    for encoder in kind.encoders:
        if (shape := list(weights[encoder.table].shape))[:1] != [TOKENS]:
            raise PipelineError(
                f"'{file}' has a token table of {shape} where CLIP has {TOKENS} tokens, so its words are not "
                "known. Give the folder that save_pretrained() wrote, with its own tokenizer."
            )


def _guessed(file: Path, kind: Kind, prediction: str) -> UncollapseWarning:
    return UncollapseWarning(
        f"'{file}' does not say what it predicts, and there are both of {kind.title}: taken for "
        f"{prediction}. If its pictures are noise, give a folder whose scheduler_config.json says "
        "prediction_type."
    )


def _from_single_file(file: Path, kind: Kind, configs: str, dtype: torch.dtype) -> Pipeline:
    import diffusers

    pipeline = getattr(diffusers, kind.pipeline)
    pipe: Pipeline = pipeline.from_single_file(
        str(file), config=configs, local_files_only=True, torch_dtype=dtype
    )
    return pipe


def _check_all_used(file: Path, kind: Kind, weights: Weights, pipe: Pipeline) -> None:
    """diffusers says nothing of weights of the U-Net that it has no place for."""
    given, taken = sum(key.startswith(UNET) for key in weights), len(pipe.unet.state_dict())
    if given != taken:
        raise PipelineError(
            f"'{file}' is of another build than {kind.title}: its U-Net has {given} weights where that has "
            f"{taken}. Give the folder that save_pretrained() wrote."
        )
