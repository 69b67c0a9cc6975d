"""``uncollapse train``: one command a method, its options made from the method's settings and their docs.

So a setting is written down once, where it is used, and Python and the command line cannot differ. What a
command says otherwise stands in ``SAID``. A training that was stopped is gone on with by ``train --resume``,
which needs nothing but its folder.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import time
import typing
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import FileFormatError, Setting, TrainingError
from ..output import check_writable
from ..subjects import located, quiet_pipeline
from ..training import METHODS, Settings, settings_of
from ..training import train as train_concept
from ..training.settings import MAY_CHANGE
from ..trajectory import Trajectory, read_trajectory
from . import options as o
from .console import command, print_json, say, stderr, stdout, stopped
from .typed import line

LISTED = "checkpoint_steps"
SAID = {  # where a setting's docs speak of Python
    LISTED: "At which steps the trajectory keeps what was learned, as 0,100,500, or 0,100,... for every 100; "
    "the last is always kept.",
    "optimizer": 'A class of torch.optim, or another by its full name: "bitsandbytes.optim.AdamW8bit".',
}
HELP = "Teach a model a concept, and keep how it came to know it."
FIRST = 20  # steps whose mean loss later ones are compared with

Photos = Annotated[Path, typer.Argument(help="Folder with 3 to 30 photos of the concept.")]
TrainedModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Pipeline folder, hub id, single file or a miniature's name; without it, the bundled miniature.",
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(help="Go on with the training in this folder: its photos, model, method and settings."),
]


def _without_a_method(given: bool) -> None:
    if given:
        raise typer.BadParameter("A training goes on without its method: uncollapse train --resume FOLDER")


NotHere = Annotated[bool, typer.Option("--resume", hidden=True, is_eager=True, callback=_without_a_method)]
MovedPhotos = Annotated[
    Path | None, typer.Option("--photos", help="With --resume: where its photos are now, if they have moved.")
]


def train_app() -> typer.Typer:
    """A command for each method that is registered when this is called, and going on with any."""
    app = typer.Typer(rich_markup_mode=None)
    app.callback(invoke_without_command=True, no_args_is_help=True, help=HELP)(_resuming())
    for name, kind in METHODS.items():
        app.command(name)(_command_for(kind))
    return app


def run(
    settings: Settings,
    photos: Path,
    output: Path,
    *,
    model: str | None,
    resume: bool,
    device: str | None,
    dtype: str | None,
    threads: int | None,
    json: bool,
) -> None:
    """What every one of the commands does."""
    check_writable(output)
    if threads:
        torch.set_num_threads(threads)
    pipe = quiet_pipeline(model, device=device, dtype=dtype or torch.float32)
    _, base_model = located(model)
    try:
        with training_bar(settings.steps) as on_step:
            trajectory = train_concept(
                pipe, photos, output, settings, resume=resume, base_model=base_model, on_step=on_step
            )
    except KeyboardInterrupt:
        raise stopped(f"what was learned is in '{output}'", ["train", "--resume", str(output)]) from None
    _print(trajectory, as_json_text=json)
    say(["Next, see what it does to the context, and draw with it:", *_next(trajectory, settings, model)])


def _next(trajectory: Trajectory, settings: Settings, model: str | None) -> list[str]:
    """The commands that somebody who has trained will want."""
    folder, concept = str(trajectory.folder), settings.concept
    given = [f"--{settings.given_as.replace('_', '-')}", folder, "--placeholder", concept]
    prompt = f"a photo of {concept} in the snow"
    asked = [*given, "--anchor", settings.class_word, "--prompt", prompt, "--compare"]
    return [line("diagnose", folder), line("generate", *([model] if model else []), *asked)]


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
def training_bar(steps: int) -> Iterator[Callable[[int, float], None]]:
    """A bar on stderr: steps, the mean loss beside that of the first steps, speed, time left."""
    columns = (
        TextColumn("Step"),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    console = stderr()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=steps)
        losses: list[float] = []
        begun: list[tuple[int, float]] = []

        def advance(step: int, loss: float) -> None:
            losses.append(loss)
            begun.append((step, time.perf_counter()))
            del begun[1:-1]
            (first, then), (_, now) = begun[0], begun[-1]
            speed = f", {(step - first) / (now - then):.1f} steps/s" if step > first else ""
            bar.update(task, completed=step, description=f"{_told(losses)}{speed}")

        yield advance


def _told(losses: list[float]) -> str:
    """One step's loss says little, since it depends on the noise it drew: means of several."""

    def mean(some: list[float]) -> float:
        return sum(some) / len(some)

    began = f" (from {mean(losses[:FIRST]):.3f})" if len(losses) > FIRST else ""
    return f"loss {mean(losses[-FIRST:]):.3f}{began}"


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
        device: o.Device = None,
        dtype: o.Dtype = None,
        threads: o.Threads = None,
        json: o.Json = False,
        resume: NotHere = False,
        **values: Any,
    ) -> None:
        values[LISTED] = parse_steps(values[LISTED], values["steps"])
        run(
            kind(**values),
            photos,
            output,
            model=model,
            resume=False,
            device=device,
            dtype=dtype,
            threads=threads,
            json=json,
        )

    return _with_options(call, [_option(kind, each) for each in dataclasses.fields(kind)], kind.summary)


def _resuming() -> Callable[..., None]:
    """``train`` itself: offers what may change on the way, and says of the rest that it may not."""

    def call(
        context: typer.Context,
        resume: Resume = None,
        photos: MovedPhotos = None,
        device: o.Device = None,
        threads: o.Threads = None,
        json: o.Json = False,
        **values: Any,
    ) -> None:
        changes = {name: value for name, value in values.items() if value is not None}
        given = {"photos": photos, "device": device, "threads": threads, "json": json or None, **changes}
        if context.invoked_subcommand is not None:
            _check_nothing_before(context.invoked_subcommand, {"resume": resume, **given})
            return
        if resume is None:
            raise TrainingError(
                f"What is to be learned, and how? Name a method, one of {', '.join(METHODS)}, or go on with "
                "a training: ",
                Setting("resume"),
                " and its folder.",
            )
        trajectory = read_trajectory(resume)
        if LISTED in changes:
            changes[LISTED] = parse_steps(changes[LISTED], changes.get("steps") or _steps(trajectory))
        settings = settings_of(trajectory, **changes)
        if photos is None and not trajectory.photos:
            raise FileFormatError(
                f"'{resume}' does not say where its photos are. Give their folder with ",
                Setting("photos"),
                ".",
            )
        run(
            settings,
            photos or Path(trajectory.photos),
            trajectory.folder,
            model=trajectory.base_model,
            resume=True,
            device=device,
            dtype=trajectory.dtype or None,
            threads=threads,
            json=json,
        )

    found: dict[str, inspect.Parameter] = {}
    for kind in METHODS.values():
        for each in dataclasses.fields(kind):
            found.setdefault(each.name, _option(kind, each, resumed=True))
    return _with_options(call, found.values(), HELP)


def _steps(trajectory: Trajectory) -> int:
    return settings_of(trajectory).steps


def _check_nothing_before(method: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value is not None:
            raise TrainingError(
                Setting(name),
                f" stands before '{method}', where it does nothing: put it behind. A training that was "
                "stopped goes on with ",
                Setting("resume"),
                " and without a method.",
            )


def _with_options(
    call: Callable[..., None], options: Iterable[inspect.Parameter], says: str
) -> Callable[..., None]:
    """``call`` as a command that has these options too."""
    hints = typing.get_type_hints(call, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in inspect.signature(call).parameters.values()]
    fixed = [p.replace(kind=p.KEYWORD_ONLY) for p in own if p.kind is not p.VAR_KEYWORD]
    parameters = sorted([*fixed, *options], key=lambda p: p.default is not p.empty)
    decorated = command(call)
    decorated.__doc__ = says
    decorated.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    decorated.__annotations__ = {p.name: p.annotation for p in parameters}
    return decorated


def _option(
    kind: type[Settings], setting: dataclasses.Field[Any], *, resumed: bool = False
) -> inspect.Parameter:
    """A command-line option for a setting, its help taken from the docstring.

    Args:
        resumed: for a training that goes on: nothing is required, and what may not change is not offered.
    """
    hint, default = _types(kind)[setting.name], setting.default
    flag = _flag(setting.name)
    if setting.name == LISTED:
        hint, default = str, ""
    if resumed:
        flag = f"{flag}/--no-{flag[2:]}" if hint is bool else flag
        hint, default = hint | None, None
    option = typer.Option(
        flag,
        help=documented(kind)[setting.name],
        hidden=resumed and setting.name not in MAY_CHANGE,
    )
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is dataclasses.MISSING else default,
        annotation=Annotated[hint, option],
    )


@functools.cache
def _types(kind: type[Settings]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


@functools.cache
def documented(kind: type[Settings]) -> dict[str, str]:
    """What a command says of each setting: the docstrings of its class and of those it comes from, where a
    setting's name is its option, and what None stands for is what happens by default; or what ``SAID`` has.
    """
    names = {each.name for each in dataclasses.fields(kind)}
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
        arguments = text.partition("Args:\n")[2].split("\n\n")[0]
        for name, said in re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", arguments, re.MULTILINE):
            said = re.sub(r"``(\w+)``", lambda it: _flag(it[1]) if it[1] in names else it[1], said)
            said = (
                " ".join(said.split()).replace("``", "").replace("; None for ", "; by default ").rstrip(".")
            )
            found[name] = said[:1].upper() + said[1:] + "."
    return found | {name: said for name, said in SAID.items() if name in names}
