"""The layouts that suites lie in on disk: each registered with how it is recognised, read and got hold of.

Nothing is downloaded and nothing in a file is run. Where there is nothing at a path, the answer says where
the suite is published, and what the folder looks like then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...admission import is_there, reason, text_from
from ...errors import FileFormatError, Setting
from ...models.loading import IMAGE_SUFFIXES
from .suite import Suite

__all__ = ["LAYOUTS", "Layout", "layout", "lines_of", "load", "photos_in"]


@dataclass(frozen=True)
class Layout:
    """How the files of one suite lie.

    Args:
        name: as commands call it.
        published: where its authors publish it, in words.
        tree: the folder, a line a file.
        recognises: whether a folder is one.
        read: makes the suite of it.
    """

    name: str
    published: str
    tree: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Suite]

    @property
    def expected(self) -> str:
        """What to get and what it looks like."""
        return f"{self.published} The folder looks like this:\n{self.tree}"


LAYOUTS: dict[str, Layout] = {}
"""By name, in the order in which a folder is asked whether it is one."""


def layout(
    name: str, *, published: str, tree: str, recognises: Callable[[Path], bool]
) -> Callable[[Callable[[Path], Suite]], Callable[[Path], Suite]]:
    """Make a layout known by the function that reads it. A decorator.

    Args:
        name: as commands call it.
        published: where its authors publish it, in words.
        tree: the folder, a line a file.
        recognises: whether a folder is one.
    """

    def known(read: Callable[[Path], Suite]) -> Callable[[Path], Suite]:
        LAYOUTS[name] = Layout(name, published, tree.strip("\n"), recognises, read)
        return read

    return known


def load(path: str | Path, layout: str | None = None) -> Suite:
    """The suite in a folder of the user's.

    Args:
        path: the folder, or a ``suite.toml``.
        layout: one of ``LAYOUTS``; None for what the folder looks like.

    Raises: FileFormatError, which says what is missing, and where a suite that is not there is published.
    """
    folder = Path(path).expanduser()
    folder = folder.parent if folder.name == "suite.toml" else folder
    known = ", ".join(LAYOUTS)
    if layout is not None and layout not in LAYOUTS:
        raise FileFormatError(f"There is no suite '{layout}'. Give one of ", Setting("suite"), f" {known}.")
    if not is_there(folder):
        if layout:
            raise FileFormatError(f"There is nothing at '{path}'. {LAYOUTS[layout].expected}")
        raise FileFormatError(
            f"There is nothing at '{path}'. Say which suite it is with ",
            Setting("suite"),
            f" ({known}), to be told where its authors publish it.",
        )
    chosen = LAYOUTS[layout] if layout else _recognised(folder)
    if layout and not chosen.recognises(folder):
        raise FileFormatError(f"'{path}' is not laid out as {layout}. {chosen.expected}")
    try:
        return chosen.read(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise FileFormatError(
            f"'{path}' cannot be read as {chosen.name}: {reason(error)} {chosen.expected}"
        ) from error


def _recognised(folder: Path) -> Layout:
    found = [each for each in LAYOUTS.values() if each.recognises(folder)]
    if len(found) > 1:
        both = " and ".join(each.name for each in found)
        raise FileFormatError(f"'{folder}' is laid out as {both}. Say which with ", Setting("suite"), ".")
    if found:
        return found[0]
    trees = "\n".join(f"{each.name}:\n{each.tree}" for each in LAYOUTS.values())
    raise FileFormatError(f"'{folder}' is laid out as none of the suites that are known:\n{trees}")


def photos_in(folder: Path) -> tuple[Path, ...]:
    """The photos in a folder, by name.

    Raises: FileFormatError, where there is no such folder, or none in it.
    """
    if not folder.is_dir():
        raise FileFormatError(f"There is no folder '{folder}', where photos are to be. Download it again.")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise FileFormatError(f"'{folder}' holds no PNG, JPEG or WebP image. Download it again.")
    return tuple(found)


def lines_of(file: Path) -> list[str]:
    """The lines of a text that hold something, without spaces at their ends."""
    lines = (line.strip() for line in text_from(file, encoding="utf-8-sig").splitlines())
    return [line for line in lines if line]
