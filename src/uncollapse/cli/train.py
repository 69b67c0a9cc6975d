"""``uncollapse train``: one command a method, its options made from the method's settings and their docs.

So a setting is written down once, where it is used, and Python and the command line cannot differ.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import time
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import TrainingError
from ..output import check_writable
from ..subjects import located, quiet_pipeline
from ..training import METHODS, Settings
from ..training import train as train_concept
from ..trajectory import Trajectory
from . import options as o
from .console import command, print_json, stderr, stdout, stopped

LISTED = "checkpoint_steps"

Photos = Annotated[Path, typer.Argument(help="Folder with 3 to 30 photos of the concept.")]
TrainedModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Pipeline folder, hub id, single file or a miniature's name; without it, the bundled miniature.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the training that the output folder holds.")
]


def train_app() -> typer.Typer:
    """A command for each method that is registered when this is called."""
    app = typer.Typer(no_args_is_help=True, help="Teach a model a concept, and keep how it came to know it.")
    for name, kind in METHODS.items():
        app.command(name)(_command_for(kind))
    return app


def run(
    kind: type[Settings],
    photos: Path,
    output: Path,
    values: dict[str, Any],
    *,
    model: str | None,
    resume: bool,
    device: str | None,
    dtype: str | None,
    threads: int | None,
    json: bool,
) -> None:
    """What every one of the commands does."""
    values[LISTED] = parse_steps(values[LISTED], values["steps"])
    settings = kind(**values)
    check_writable(output)
    if threads:
        torch.set_num_threads(threads)
    pipe = quiet_pipeline(model, device=device, dtype=dtype or torch.float32)
    _, base_model = located(model)
    try:
        with _progress(settings.steps) as on_step:
            trajectory = train_concept(
                pipe, photos, output, settings, resume=resume, base_model=base_model, on_step=on_step
            )
    except KeyboardInterrupt:
        raise stopped(f"what was learned is in '{output}'") from None
    _print(trajectory, as_json_text=json)


def parse_steps(text: str, last: int) -> tuple[int, ...]:
    """Steps as they are typed: "0,100,500", or "0,100,..." for as far as training goes.

    Raises: TrainingError.
    """
    listed = [each.strip() for each in text.split(",") if each.strip()]
    goes_on = bool(listed) and listed[-1] in ("...", "…")
    try:
        steps = [int(each) for each in listed[: -1 if goes_on else None]]
    except ValueError as error:
        raise _unclear(text) from error
    if goes_on:
        if len(steps) < 2 or steps[-1] <= steps[-2]:
            raise _unclear(text)
        steps += range(2 * steps[-1] - steps[-2], last + 1, steps[-1] - steps[-2])
    return tuple(steps)


def _unclear(text: str) -> TrainingError:
    return TrainingError(f"--checkpoint-steps {text} lists no steps. Give them as 0,100,500 or 0,100,...")


@contextmanager
def _progress(steps: int) -> Iterator[Callable[[int, float], None]]:
    """A bar with loss, speed and time left on stderr; none in a log file."""
    columns = (
        TextColumn("loss {task.fields[loss]:.4f}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:.1f} steps/s"),
        TimeRemainingColumn(),
    )
    console = stderr()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=steps, loss=0.0, speed=0.0)
        begun: list[tuple[int, float]] = []

        def advance(step: int, loss: float) -> None:
            begun.append((step, time.perf_counter()))
            del begun[1:-1]
            (first, then), (_, now) = begun[0], begun[-1]
            speed = (step - first) / (now - then) if step > first else 0.0
            bar.update(task, completed=step, loss=loss, speed=speed)

        yield advance


def _print(trajectory: Trajectory, *, as_json_text: bool) -> None:
    if as_json_text:
        data = asdict(trajectory)
        print_json({**data, "folder": str(trajectory.folder)})
    else:
        stdout().print(trajectory.folder, markup=False, soft_wrap=True)


def _command_for(kind: type[Settings]) -> Callable[..., None]:
    def call(
        photos: Photos,
        output: o.Output,
        model: TrainedModel = None,
        resume: Resume = False,
        device: o.Device = None,
        dtype: o.Dtype = None,
        threads: o.Threads = None,
        json: o.Json = False,
        **values: Any,
    ) -> None:
        run(
            kind,
            photos,
            output,
            values,
            model=model,
            resume=resume,
            device=device,
            dtype=dtype,
            threads=threads,
            json=json,
        )

    hints = typing.get_type_hints(call, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in inspect.signature(call).parameters.values()]
    fixed = [p.replace(kind=p.KEYWORD_ONLY) for p in own if p.kind is not p.VAR_KEYWORD]
    parameters = sorted([*fixed, *_options(kind)], key=lambda p: p.default is not p.empty)
    decorated = command(call)
    decorated.__doc__ = kind.summary
    decorated.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    decorated.__annotations__ = {p.name: p.annotation for p in parameters}
    return decorated


def _options(kind: type[Settings]) -> list[inspect.Parameter]:
    """A command-line option for each field of the settings, its help taken from their docstring."""
    hints, helps = typing.get_type_hints(kind), documented(kind)
    parameters = []
    for each in dataclasses.fields(kind):
        flag = "--" + each.name.replace("_", "-")
        hint, default = hints[each.name], each.default
        if each.name == LISTED:
            hint, default = str, ""
        option = Annotated[hint, typer.Option(flag, help=helps[each.name])]  # type: ignore[valid-type]
        empty = inspect.Parameter.empty
        default = empty if default is dataclasses.MISSING else default
        parameters.append(
            inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        )
    return parameters


def documented(kind: type) -> dict[str, str]:
    """What the docstrings of a class and of those it comes from say of each argument."""
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
        arguments = text.partition("Args:\n")[2].split("\n\n")[0]
        for name, said in re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", arguments, re.MULTILINE):
            said = " ".join(said.split()).replace("``", "").rstrip(".")
            found[name] = said[:1].upper() + said[1:] + "."
    return found
