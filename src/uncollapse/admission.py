"""Where files that others made come in: what they may be, how large and how deep.

Nothing in a file is ever run. What is refused here costs no more than the file's own size: packed torch
files, whose few bytes unfold to gigabytes, tensors larger than their file, JSON nested too deeply to be read.
"""

from __future__ import annotations

import json
import re
import textwrap
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import FileFormatError

__all__ = ["check_tensors", "is_there", "json_from", "reason", "text_from", "torch_from", "unwrapped"]

TEXT = 64 * 2**20  # bytes of a text file; a large tokenizer has 35 million
DEEPEST = 5  # dictionaries and lists in each other, in files of tensors


def is_there(path: Path) -> bool:
    """Whether there is something at ``path``; a name too long for the system names nothing."""
    try:
        return path.exists()
    except OSError:
        return False


def text_from(path: Path, most: int = TEXT, encoding: str = "utf-8") -> str:
    """What a text file says, of at most so many bytes.

    Raises: OSError; ValueError, for more, and for what is not in this encoding.
    """
    with path.open("rb") as file:  # read rather than asked for its size: what is endless has none
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it is longer than {most // 2**20} MiB")
    return data.decode(encoding)


def json_from(text: str | bytes, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """What a JSON text says.

    Args:
        hook: what an object becomes, as ``json.loads`` has it.

    Raises: ValueError, also where it is nested too deeply.
    """
    try:
        return json.loads(text, object_hook=hook)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def torch_from(file: Path, mmap: bool = False) -> Any:
    """What ``torch.save`` wrote, on the CPU.

    Args:
        mmap: leave tensors in the file until they are used.

    Raises: ValueError, OSError, and whatever torch raises for a damaged file.
    """
    with file.open("rb") as opened:
        is_zip = opened.read(4) == b"PK\x03\x04"
    if is_zip:
        _check_unpacked(file)
    with torch.serialization.safe_globals([torch.nn.ParameterDict]):  # holds tensors, and runs nothing
        return torch.load(file, map_location="cpu", weights_only=True, mmap=mmap and is_zip)


def unwrapped(contents: Any) -> Any:
    """The weights of a checkpoint, which trainers put under "state_dict" beside what they know of the run."""
    for _ in range(DEEPEST):  # a pickle can hold itself
        if not (isinstance(contents, dict) and isinstance(contents.get("state_dict"), dict)):
            break
        contents = contents["state_dict"]
    return contents


def _check_unpacked(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > file.stat().st_size:
        raise ValueError("its entries are compressed, as torch never writes them")


def check_tensors(value: Any, file: Path) -> None:
    """Raise FileFormatError for a tensor that claims more numbers than the file can hold, or has none.

    What lies in several places, or in itself, is looked at once.
    """
    left, seen = [value], set[int]()
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            _check_tensor(value, file)
        elif isinstance(value, list | tuple):
            left += value
        elif isinstance(value, Mapping | torch.nn.ParameterDict):
            left += _items(value, str(file)).values()


def _check_tensor(tensor: Tensor, file: Path) -> None:
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        raise FileFormatError(
            f"{file}: holds a sparse, quantised or empty shell of a tensor. Save it as a plain one."
        )
    if tensor.nbytes > min(tensor.untyped_storage().nbytes(), file.stat().st_size):
        raise FileFormatError(
            f"{file}: is damaged: a tensor of shape {list(tensor.shape)} has more numbers than the file. "
            "Download or export it again."
        )


def entries_of(value: Any, what: str) -> dict[str, Any]:
    """A dictionary of a file, its keys texts.

    Raises: FileFormatError, for what is none, or a broken one.
    """
    entries = _items(value, what)
    if not all(isinstance(key, str) for key in entries):
        raise FileFormatError(f"{what}: has keys that are no texts, so it is no file of an embedding.")
    return entries


def _items(value: Any, what: str) -> dict[Any, Any]:
    try:
        return dict(value.items())
    except Exception as error:  # a ParameterDict of a damaged file lacks any of its parts
        raise FileFormatError(
            f"{what}: is a {type(value).__name__} where a dictionary of tensors belongs."
        ) from error


def reason(error: BaseException) -> str:
    """Why a library could not read a file, in a few words."""
    text = "it is damaged" if isinstance(error, KeyError | IndexError) else str(error).strip()
    if code := re.search(r"GLOBAL (\S+)", text):
        return f"it holds code, {code[1]}."
    if "weights_only" in text or "Weights only" in text:  # advice that is good for files of one's own
        return "it is no pickle of tensors."
    line = next(iter(text.splitlines()), type(error).__name__)
    return textwrap.shorten(line, 200, placeholder=" …").rstrip(" .:") + "."
