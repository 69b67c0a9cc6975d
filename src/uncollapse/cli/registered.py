"""Options that come from registries: one for each measure on offer, and the arms that adjusters make.

A command says where they stand, by its parameters ``measured`` and ``arm``. They are put there when the
application is built, so that what was registered until then is offered.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from ..adjusters import ADJUSTERS
from ..comparison.measures import MEASURES, DeclaredMeasure

__all__ = ["with_registered"]

MEASURED, ARM = "measured", "arm"


def with_registered(call: Callable[..., None]) -> Callable[..., None]:
    """The command with an option a measure in the place of ``measured``, and its ``--arm`` explained.

    ``call`` gets ``measured`` as a dictionary of those that were asked for: a model's name, or True.
    """
    offered = {_parameter(each): each.name for each in MEASURES.values() if each.offered}

    @functools.wraps(call)
    def command(**values: Any) -> None:
        asked = {name: values.pop(parameter) for parameter, name in offered.items()}
        call(**values, **{MEASURED: {name: value for name, value in asked.items() if value}})

    hints = typing.get_type_hints(call, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for each in inspect.signature(call).parameters.values():
        if each.name == MEASURED:
            parameters += [_option(MEASURES[name]) for name in offered.values()]
        else:
            hint = _arms() if each.name == ARM else hints[each.name]
            parameters.append(each.replace(annotation=hint))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _parameter(measure: DeclaredMeasure) -> str:
    return measure.name.replace("-", "_")


def _option(measure: DeclaredMeasure) -> inspect.Parameter:
    """A text where a model has to be named, else a flag."""
    kind, default = (str | None, None) if "model" in measure.needs else (bool, False)
    option = typer.Option(f"--{measure.name.replace('_', '-')}", help=f"{measure.help}, for --compare.")
    return inspect.Parameter(
        _parameter(measure),
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=default,
        annotation=Annotated[kind, option],
    )


def _arms() -> Any:
    names = ", ".join(ADJUSTERS)
    says = f"A further way to draw: NAME or NAME:setting=value,…; one of: {names}. Repeat for several."
    return Annotated[list[str] | None, typer.Option("--arm", help=says)]
