"""What commands leave behind: pictures with their settings, texts; whole files or none.

A folder is tried before the long work starts, and a refusal of the system becomes one sentence.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import OutputError
from .files import writing

if TYPE_CHECKING:
    from PIL.Image import Image


def check_writable(folder: Path) -> None:
    """Fail now if ``folder`` cannot be made or written to; leaves nothing behind.

    Raises: OutputError.
    """
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        raise OutputError(
            f"Cannot write to '{folder}': '{nearest}' is a file. Give another folder with --output."
        )
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise _refused(folder, error) from error


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a scratch file beside ``path``, then move it into place; folders are made.

    Raises: OutputError, where the system refuses; ``path`` is then as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as scratch:
            write(scratch)
    except OSError as error:
        raise _refused(path, error) from error
    return path


def save_png(image: Image, path: Path, settings: dict[str, Any]) -> Path:
    """Save ``image`` with its ``settings`` as JSON in the PNG's text field ``uncollapse``."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_itxt("uncollapse", json.dumps(settings, ensure_ascii=False))
    return write_atomically(path, lambda scratch: image.save(scratch, format="PNG", pnginfo=text))


def save_text(text: str, path: Path) -> Path:
    """Save ``text`` as UTF-8."""
    return write_atomically(path, lambda scratch: scratch.write_text(text, encoding="utf-8"))


def _refused(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"Cannot write to '{path}': {reason}. Give another folder with --output.")
