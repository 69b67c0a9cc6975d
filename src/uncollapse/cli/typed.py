"""What somebody typed of a command, option by option, so that it can be typed again with another one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import typer

__all__ = ["Typed", "line", "typed", "without"]

Typed = Mapping[str, tuple[str, ...]]
"""By parameter, in the order of the help: ``{"lora": ("--lora", "my-dog.safetensors")}``."""


def typed(context: typer.Context) -> Typed:
    """The arguments and options that are not as they are by default because somebody typed them."""
    found = {}
    for each in context.command.params:
        name = each.name or ""
        source, value = context.get_parameter_source(name), context.params.get(name)
        if source is None or source.name != "COMMANDLINE" or value is None:
            continue
        values = value if isinstance(value, list | tuple) else [value]
        if each.param_type_name == "argument":
            found[name] = tuple(map(str, values))
        elif isinstance(value, bool):
            found[name] = (each.opts[0] if value else each.secondary_opts[0],)
        else:
            found[name] = tuple(part for one in values for part in (each.opts[0], str(one)))
    return found


def line(command: str, *parts: str | None, given: Typed | None = None) -> str:
    """A command line, quoted as a shell wants it.

    Args:
        command: of ``uncollapse``: "generate".
        parts: its words; those that are None are left out.
        given: goes before them.
    """
    words = [word for each in (given or {}).values() for word in each]
    return shlex.join(["uncollapse", command, *words, *(part for part in parts if part is not None)])


def without(given: Typed, *names: str) -> Typed:
    """All that was typed but these."""
    return {name: words for name, words in given.items() if name not in names}
