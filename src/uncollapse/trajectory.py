"""The trajectory of a training: what it had learned at many steps, and the manifest that lists it.

A folder with ``trajectory.json``:

    {"format": 1, "method": "textual-inversion", "placeholder": "<my-cat>", "class_word": "cat",
     "base_model": "…", "checkpoints": [
      {"step": 100, "file": "steps/step-000100.safetensors", "loss": 0.31, "norm": 0.39, "cosine": 0.41}],
     "settings": {"steps": 1000, "batch_size": 4, "lr": 0.005, …},
     "photos": "/…/photos", "dtype": "float32"}

With ``method`` and ``base_model``, the last three say how to train it again, or to go on; manifests of before
lack some or all.

The files are ordinary ones, each of its method: an embedding (``learned_embeds.read``), a LoRA
(``load_lora_weights``), a folder for ``load_custom_diffusion``. Reading the manifest opens none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from .admission import is_there, json_from, reason, text_from
from .errors import FileFormatError
from .output import save_json

__all__ = ["Checkpoint", "Trajectory", "read_trajectory", "write_trajectory"]

NAME = "trajectory.json"
FORMAT = 1
TEXTS = ("method", "placeholder", "class_word", "base_model")
LATER = ("photos", "dtype")  # texts that manifests of before lack
NUMBERS = ("loss", "norm", "cosine")
LARGEST = 1e300  # of numbers; beyond it figures cannot be drawn
LATEST = 10**9  # step


@dataclass(frozen=True)
class Checkpoint:
    """The state after ``step`` optimiser steps.

    Args:
        step: 0 is what training started from.
        file: where it is, relative to the manifest, with forward slashes.
        loss: mean training loss since the checkpoint before; None at step 0.
        norm: mean norm of the learned rows; None where no row is learned.
        cosine: of the learned rows to the class word's, in the mean; None where no row is learned.
    """

    step: int
    file: str
    loss: float | None = None
    norm: float | None = None
    cosine: float | None = None


@dataclass(frozen=True)
class Trajectory:
    """A training's checkpoints in the order of their steps.

    Args:
        folder: where the manifest is.
        method: its name; ``training.method_of`` has what belongs to it.
        placeholder: what prompts call the concept: "<my-cat>", "sks cat".
        class_word: what it is: "cat".
        base_model: what it was trained on, as the user named it.
        checkpoints: what was kept.
        settings: all of the method's settings, as JSON holds them; empty where they are not known.
        photos: the folder of those that it was learned from; "" where it is not known.
        dtype: of the base model's weights: "float32"; "" where it is not known.
    """

    folder: Path
    method: str
    placeholder: str
    class_word: str
    base_model: str
    checkpoints: tuple[Checkpoint, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    photos: str = ""
    dtype: str = ""

    def path(self, checkpoint: Checkpoint) -> Path:
        """Where a checkpoint's file or folder is."""
        return self.folder / checkpoint.file


def write_trajectory(trajectory: Trajectory) -> Path:
    """Write the manifest into the trajectory's folder, whole or not at all.

    Raises: OutputError.
    """
    data: dict[str, Any] = {"format": FORMAT, **asdict(trajectory)}
    del data["folder"]
    return save_json(data, trajectory.folder / NAME)


def read_trajectory(folder: str | Path) -> Trajectory:
    """Read a folder's manifest.

    Args:
        folder: what a training wrote to, or the manifest itself.

    Raises: FileFormatError, where there is none, or it is damaged, of something else or of a later version,
        and where a file that it lists is gone.
    """
    path = Path(folder)
    path = path if path.name == NAME else path / NAME
    data = _load(path)
    if data.get("format") != FORMAT:
        raise FileFormatError(
            f"{path}: its format is {data.get('format')!r}, and this version reads {FORMAT}. "
            "Use the version of uncollapse that wrote it."
        )
    try:
        trajectory = _parsed(path.parent, data)
    except (KeyError, TypeError, ValueError) as error:
        why = f"it has no {error}." if isinstance(error, KeyError) else reason(error)
        raise FileFormatError(
            f"{path}: is damaged or no manifest of a training: {why} Give the folder that 'uncollapse train' "
            "wrote to."
        ) from error
    for checkpoint in trajectory.checkpoints:
        if not is_there(trajectory.path(checkpoint)):
            raise FileFormatError(
                f"{path}: lists '{checkpoint.file}', which is not there. Keep the manifest and its files "
                "together."
            )
    return trajectory


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json_from(text_from(path))
    except OSError as error:
        raise FileFormatError(
            f"'{path.parent}' holds no trajectory: there is no readable {NAME}. Give the folder that "
            "'uncollapse train' wrote to."
        ) from error
    except ValueError as error:
        raise FileFormatError(
            f"{path}: is damaged: it is no JSON: {reason(error)} Train again, or restore the file."
        ) from error
    if not isinstance(data, dict):
        raise FileFormatError(
            f"{path}: holds a {type(data).__name__}, but a trajectory's manifest is an object."
        )
    return data


def _parsed(folder: Path, data: Mapping[str, Any]) -> Trajectory:
    """Raises KeyError, TypeError, ValueError for what is not as it should be."""
    for name in TEXTS:
        if not isinstance(data[name], str):
            raise ValueError(f"its {name} is {data[name]!r}, not a text")
    later = {name: data.get(name, "") for name in LATER}
    for name, text in later.items():
        if not isinstance(text, str):
            raise ValueError(f"its {name} is {text!r}, not a text")
    settings = data.get("settings", {})
    if not isinstance(settings, dict):
        raise ValueError(f"its settings are {settings!r}, not an object")
    checkpoints = tuple(_checkpoint(each) for each in data["checkpoints"])
    steps = [checkpoint.step for checkpoint in checkpoints]
    if steps != sorted(set(steps)):
        raise ValueError("its steps are not in order")
    method, placeholder, class_word, base_model = (data[name] for name in TEXTS)
    return Trajectory(folder, method, placeholder, class_word, base_model, checkpoints, settings, **later)


def _checkpoint(entry: Mapping[str, Any]) -> Checkpoint:
    step, file = entry["step"], entry["file"]
    if not isinstance(step, int) or not 0 <= step < LATEST:
        raise ValueError(f"a step is {step!r}")
    if not isinstance(file, str) or PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
        raise ValueError(f"the file of step {step} is {file!r}, not a path inside the folder")
    numbers = {name: entry[name] for name in NUMBERS}
    for name, value in numbers.items():
        if value is not None and (not isinstance(value, int | float) or abs(value) > LARGEST):
            raise ValueError(f"the {name} of step {step} is {value!r}")
    return Checkpoint(step, file, **numbers)
