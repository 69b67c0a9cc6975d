"""The files that nodes read and write: those in ComfyUI's own folders, and no others.

Whoever reaches ComfyUI's server may ask a node for any name, so a name is looked up in the list that the menu
shows, and what is written goes by a plain name into the first folder of its kind.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..errors import FileFormatError, OutputError

__all__ = ["EMBEDDINGS", "PRESETS", "fingerprint", "found", "listed", "target"]

EMBEDDINGS = "embeddings"
PRESETS = "uncollapse"  # models/uncollapse
NOTHING = "(none)"


def listed(folder: str) -> list[str]:
    """What the menu shows of a folder; one entry that says so where it is empty."""
    return _names(folder) or [NOTHING]


def found(folder: str, name: str) -> Path:
    """The file of that name.

    Raises: FileFormatError.
    """
    paths = _folder_paths()
    if name not in _names(folder):
        raise FileFormatError(
            f"TEA: there is no {name!r} in {' or '.join(paths.get_folder_paths(folder))}. Put the file "
            "there, and press R for a new list."
        )
    return Path(paths.get_full_path_or_raise(folder, name))


def target(folder: str, name: str) -> Path:
    """Where a new file of that name goes, ``.safetensors``.

    Raises: OutputError, for what is no plain name.
    """
    plain = name.removesuffix(".safetensors")
    if not plain or plain.startswith(".") or plain != Path(plain).name or "\\" in plain or ":" in plain:
        raise OutputError(
            f"TEA: {name!r} is no plain file name. Give one without folders, such as my-cat-tea."
        )
    return Path(_folder_paths().get_folder_paths(folder)[0]) / f"{plain}.safetensors"


def fingerprint(folder: str, name: str) -> str:
    """What changes with the file, for ComfyUI's cache; the name alone where there is none."""
    try:
        return hashlib.sha256(found(folder, name).read_bytes()).hexdigest()
    except (FileFormatError, OSError):
        return name


def _names(folder: str) -> list[str]:
    paths = _folder_paths()
    if folder == PRESETS:
        paths.add_model_folder_path(PRESETS, str(Path(paths.models_dir) / PRESETS))
    return list(paths.get_filename_list(folder))


def _folder_paths() -> Any:
    import folder_paths

    return folder_paths
