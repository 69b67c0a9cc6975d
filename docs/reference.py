"""The reference: every name that a package shows in ``__all__``, grouped as a reader looks for it.

A page is Markdown with ``::: uncollapse.name`` where a docstring is to stand; mkdocstrings puts it there.
"""

from __future__ import annotations

import importlib
import pkgutil
from inspect import isclass, isfunction
from types import ModuleType

import uncollapse

GROUPS = {
    "Adjusting": ["", "adjusters", "pipelines", "pipelines.cache", "alignment", "placeholders", "anchors"],
    "Embedding files": ["learned_embeds", "baking", "vocabulary"],
    "Loading and drawing": ["models", "subjects"],
    "Comparing and measuring": ["comparison", "metrics", "metrics.sets"],
    "Diagnosing": ["diagnosis"],
    "Training": ["training", "trajectory"],
    "Evaluating": ["evaluation", "evaluation.suites"],
    "The miniature": ["miniature", "miniature.world"],
}
REST = "Underneath"  # of the packages that a reader looks for last


def pages() -> dict[str, str]:
    """Each by its title. What several packages show is explained at the first, and named at the others."""
    grouped = {name for names in GROUPS.values() for name in names}
    groups = {**GROUPS, REST: [name for name in _packages() if name not in grouped]}
    explained: dict[str, str] = {}
    return {
        title: "\n\n".join([f"# {title}", *(_section(name, explained) for name in names)]) + "\n"
        for title, names in groups.items()
    }


def path(title: str) -> str:
    """Where a page is, among those of the docs."""
    return f"reference/{title.lower().replace(' ', '-')}.md"


def _packages() -> list[str]:
    """All that may be imported from: packages, and modules that stand beside them."""
    found = pkgutil.walk_packages(uncollapse.__path__, "uncollapse.")
    shown = [each.name for each in found if each.ispkg or each.name.count(".") == 1]
    return [name.partition(".")[2] for name in shown if not name.endswith("__main__")]


def _section(name: str, explained: dict[str, str]) -> str:
    package = importlib.import_module(f"uncollapse.{name}".rstrip("."))
    lines = [f"## `{package.__name__}`", (package.__doc__ or "").partition("\n")[0]]
    for shown in package.__all__:
        value = getattr(package, shown)
        if isinstance(value, ModuleType):
            continue
        defined = f"{package.__name__}.{shown}"
        if (isclass(value) or isfunction(value)) and value.__module__.startswith("uncollapse."):
            defined = f"{value.__module__}.{value.__qualname__}"  # a module beside it may have its name
        if defined in explained:
            lines.append(f"`{shown}`: [in `{explained[defined]}`][{defined}]")
        else:
            explained[defined] = package.__name__
            lines.append(f"::: {defined}\n    options: {{heading_level: 3}}")
    return "\n\n".join(lines)
