"""What all commands share: how they speak, how they fail, how they show progress.

Results go to stdout, everything about the run to stderr, so that ``--json`` can be piped. An error is one
sentence and exit code 2.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import Setting, UncollapseError, UncollapseWarning
from ..output import plain
from ..reports.plain_text import HIDDEN, visible
from .typed import line

P = ParamSpec("P")
R = TypeVar("R")

CALLED = re.compile(r"(^|: )[A-Za-z_.]+\(\): ")  # the function that a message begins with: Python's alone
TYPED = {"num_inference_steps": "steps", "guidance_scale": "guidance"}  # what diffusers calls otherwise
GIVEN = re.compile(r"(?:(?<=[\s(])|^)(\w+)=(?!None)(?=[\w'\"])")  # a setting and its value
INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended
EXTRAS = {"diffusers", "transformers", "tokenizers", "accelerate", "peft", "PIL", "jinja2", "matplotlib"}


class _Plain(Console):
    """Prints texts with nothing in them that a terminal would act on."""

    def print(self, *objects: Any, **how: Any) -> None:
        super().print(
            *(visible(str(each)) if isinstance(each, str | Path) else each for each in objects), **how
        )


def stdout() -> Console:
    return _Plain(highlight=False)


def stderr() -> Console:
    return _Plain(stderr=True, highlight=False)


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Make the library's errors and warnings readable: one sentence each, exit code 2 for an error."""

    @functools.wraps(function)
    def speaking_plainly(*args: P.args, **kwargs: P.kwargs) -> R:
        _quieten_libraries()
        with warnings.catch_warnings():
            warnings.showwarning = functools.partial(_show_warning, kwargs)
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UncollapseWarning)
            try:
                return function(*args, **kwargs)
            except UncollapseError as error:
                raise _failed(_spoken(error.told(_flag), kwargs)) from error
            except ModuleNotFoundError as missing:
                if (missing.name or "").partition(".")[0] not in EXTRAS:
                    raise
                raise _failed(f"This needs {missing.name}: pip install 'uncollapse[cli]'") from missing

    return speaking_plainly


def say(notes: Iterable[str | UncollapseWarning]) -> None:
    """What was chosen in the user's stead, on stderr; what is doubtful about it as a warning."""
    for note in notes:
        if isinstance(note, UncollapseWarning):
            warnings.warn(note, stacklevel=2)
        else:
            stderr().print(note, markup=False, soft_wrap=True)


def stopped(what_is_there: str, go_on: Sequence[str]) -> typer.Exit:
    """After Ctrl-C: say what there is and how to go on, and end as a program does that Ctrl-C ended.

    Args:
        go_on: the arguments of the command that goes on.
    """
    say([f"Stopped; {what_is_there}. Go on with:", line(*go_on)])
    return typer.Exit(INTERRUPTED)


def _failed(message: str) -> typer.Exit:
    stderr().print(f"Error: {message}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(2)


def _show_warning(options: Collection[str], message: Warning | str, *_: Any) -> None:
    text = message.told(_flag) if isinstance(message, UncollapseWarning) else str(message)
    stderr().print(f"Warning: {_spoken(text, options)}", style="yellow", markup=False, soft_wrap=True)


def _spoken(message: str, options: Collection[str]) -> str:
    """What the library says, as a command does: of no function, and for ``anchor="cat"`` the option.

    Args:
        options: those that the command has, by their names in Python.
    """
    return GIVEN.sub(
        lambda found: f"{_flag(Setting(found[1]))}=" if found[1] in options else found[0],
        CALLED.sub(lambda found: found[1], message),
    )


def _flag(setting: Setting) -> str:
    """As it is typed: ``--checkpoint-steps``."""
    return f"--{TYPED.get(setting, setting).replace('_', '-')}"


def _quieten_libraries() -> None:
    """Keep other libraries' notes out of the way; their errors still come through."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    for name in ("diffusers", "transformers", "peft"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def progress(
    what: str, total: int, doing: Callable[[int], str] = lambda done: ""
) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, gone when done, and none in a log file; yields what advances it.

    Args:
        doing: what is in work when so much is done, in a few words.
    """
    columns = (
        TextColumn(what),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left  {task.description}", markup=False),
    )
    console = stderr()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        done = 0
        task = bar.add_task(visible(doing(0)), total=total)

        def advance(count: int) -> None:
            nonlocal done
            done += count
            bar.update(task, completed=done, description=visible(doing(done)), refresh=True)

        yield advance


def print_json(data: Any) -> None:
    """Plain JSON on stdout, for scripts; ``nan`` and infinities become ``null``."""
    text = json.dumps(plain(data), ensure_ascii=False, indent=2)
    typer.echo(HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))  # they stand within texts only
