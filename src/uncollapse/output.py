"""What commands leave behind: pictures with their settings, tensors, texts; whole files or none.

A folder is tried before the long work starts, and a refusal of the system becomes one sentence. What is being
written has a scratch name that says whose it is, this machine's and this process's:

    .uncollapse-HOST-PID-…

A process that is killed leaves such a file; the next one that writes to the folder removes it.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import shutil
import socket
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import OutputError, Setting

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

__all__ = [
    "check_writable",
    "plain",
    "png",
    "save_json",
    "save_png",
    "save_safetensors",
    "save_text",
    "save_torch",
    "scratch_folder",
    "write_atomically",
    "writing",
]


def check_writable(folder: Path) -> None:
    """Fail now if ``folder`` cannot be made or written to; leaves nothing behind.

    Raises: OutputError.
    """
    try:
        nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    except OSError as error:  # a name that is too long
        raise _refused(folder, error) from error
    if not nearest.is_dir():
        raise OutputError(
            f"Cannot write to '{folder}': '{nearest}' is a file. Give another folder with ",
            Setting("output"),
            ".",
        )
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise _refused(folder, error) from error


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a scratch path beside ``path``, which becomes ``path`` if the block ends well, else goes."""
    path = Path(path)
    _clear(path.parent)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=_scratch(), suffix=path.suffix)
    os.close(handle)
    try:
        yield Path(scratch)
        umask = os.umask(0)
        os.umask(umask)
        Path(scratch).chmod(0o666 & ~umask)
        Path(scratch).replace(path)
    finally:
        Path(scratch).unlink(missing_ok=True)


def scratch_folder(owner: object) -> Path:
    """A new folder among the system's temporary ones, gone with ``owner``."""
    _clear(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_scratch()))
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder


def _scratch() -> str:
    """How this process's scratch names begin."""
    return f".uncollapse-{_host()}-{os.getpid()}-"


def _host() -> str:
    return re.sub(r"\W", "", socket.gethostname())[:40]


def _clear(folder: Path) -> None:
    """Remove what processes of this machine left that are no more; what cannot be removed stays."""
    for path in folder.glob(f".uncollapse-{_host()}-*-*"):
        pid = path.name.split("-")[2]
        if pid.isdecimal() and not _runs(int(pid)):
            shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    """Whether there is such a process; always, where nobody can be asked without being ended."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's, or a number that is none
        return True
    return True


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


def save_torch(data: Any, path: Path) -> Path:
    """Save ``data`` as ``torch.save`` does.

    Like safetensors it is made in memory first: written straight to a disk that is full, both raise errors
    that do not say so.
    """
    import torch

    made = io.BytesIO()
    torch.save(data, made)
    return write_atomically(path, lambda scratch: scratch.write_bytes(made.getbuffer()))


def save_safetensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> Path:
    """Save tensors with ``metadata`` beside them, in the format of PyTorch's; the same, the same bytes."""
    from safetensors.torch import save

    made = _in_order(save(dict(tensors), {"format": "pt", **metadata}))
    return write_atomically(path, lambda scratch: scratch.write_bytes(made))


def _in_order(made: bytes) -> bytes:
    """A safetensors file, its metadata sorted: safetensors writes them in another order every time.

    The file is the header's length in eight bytes, the header, JSON filled up with spaces, and the tensors.
    """
    end = 8 + int.from_bytes(made[:8], "little")
    entries = json.loads(made[8:end])
    entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    header = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return b"".join([len(header).to_bytes(8, "little"), header, memoryview(made)[end:]])


def save_png(image: Image, path: Path, settings: dict[str, Any]) -> Path:
    """Save ``image`` as ``png`` has it."""
    data = png(image, settings)
    return write_atomically(path, lambda scratch: scratch.write_bytes(data))


def png(image: Image, settings: dict[str, Any]) -> bytes:
    """``image`` as a PNG file, with its ``settings`` as JSON in the text field ``uncollapse``.

    Where they hold a prompt, ``parameters`` says what A1111 and those who read its pictures understand of it.
    """
    from PIL.PngImagePlugin import PngInfo

    text, made = PngInfo(), io.BytesIO()
    text.add_itxt("uncollapse", json.dumps(plain(settings), ensure_ascii=False))
    if settings.get("prompt"):
        text.add_itxt("parameters", _parameters(settings, image.size))
    image.save(made, format="PNG", pnginfo=text)
    return made.getvalue()


def _parameters(settings: Mapping[str, Any], size: tuple[int, int]) -> str:
    negative = settings.get("negative_prompt")
    known = {
        "Steps": settings.get("num_inference_steps"),
        "CFG scale": settings.get("guidance_scale"),
        "Seed": settings.get("seed"),
        "Size": f"{size[0]}x{size[1]}",
    }
    lines = [settings["prompt"], *([f"Negative prompt: {negative}"] if negative else [])]
    return "\n".join([*lines, ", ".join(f"{k}: {v}" for k, v in known.items() if v is not None)])


def saved_settings(path: Path) -> dict[str, Any] | None:
    """The settings that ``save_png`` wrote into a picture; None where there are none that can be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            found = json.loads(image.info.get("uncollapse", "null"))
    except (OSError, ValueError, SyntaxError):
        return None
    return found if isinstance(found, dict) else None


def save_text(text: str, path: Path) -> Path:
    """Save ``text`` as UTF-8."""
    return write_atomically(path, lambda scratch: scratch.write_text(text, encoding="utf-8"))


def save_json(data: Any, path: Path) -> Path:
    """Save ``data`` as JSON, for ``nan`` and infinities ``null``.

    Raises: OutputError.
    """
    return save_text(json.dumps(plain(data), ensure_ascii=False, indent=1), path)


def plain(data: Any) -> Any:
    """``data`` as JSON can say it: mappings and sequences all through, ``nan`` and infinities as None."""
    if isinstance(data, Mapping):
        return {key: plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _refused(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "Make room, or give" if full else "Give"
    return OutputError(
        f"Cannot write to '{path}': {reason}. {remedy} another folder with ", Setting("output"), "."
    )
