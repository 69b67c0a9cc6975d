"""Options that come from registries: one for each measure on offer, the arms that adjusters make, miniatures.

A command says where they stand, by its parameters ``measured``, ``arm`` and ``miniature``. They are put there
when the application is built, so that what was registered until then is offered.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from ..adjusters import ADJUSTERS
from ..comparison import WAYS
from ..comparison.measures import MEASURES, DeclaredMeasure
from .options import WORDS

__all__ = ["with_registered"]

MEASURED = "measured"


def with_registered(call: Callable[..., None]) -> Callable[..., None]:
    """The command with an option a measure in the place of ``measured``, and what names others explained.

    ``call`` gets ``measured`` as a dictionary of those that were asked for: a model's name, or True.
    """
    own = inspect.signature(call).parameters
    offered = {_parameter(each): each.name for each in MEASURES.values() if each.offered and MEASURED in own}

    @functools.wraps(call)
    def command(**values: Any) -> None:
        asked = {name: values.pop(parameter) for parameter, name in offered.items()}
        if MEASURED in own:
            values[MEASURED] = {name: value for name, value in asked.items() if value}
        call(**values)

    hints = typing.get_type_hints(call, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for each in own.values():
        if each.name == MEASURED:
            parameters += [_option(MEASURES[name]) for name in offered.values()]
        else:
            explained = EXPLAINED.get(each.name)
            parameters.append(each.replace(annotation=explained() if explained else hints[each.name]))
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
    names = ", ".join([*ADJUSTERS, *WAYS])
    says = f"A further way to draw: NAME or NAME:setting=value,…; one of: {names}. Repeat for several."
    return Annotated[list[str] | None, typer.Option("--arm", metavar=WORDS, help=says)]


def _miniatures() -> Any:
    from ..miniature import MINIATURES

    says = f"Which bundled model: {', '.join(MINIATURES)}; by default the first."
    return Annotated[str | None, typer.Option(help=says)]


EXPLAINED: dict[str, Callable[[], Any]] = {"arm": _arms, "miniature": _miniatures}
