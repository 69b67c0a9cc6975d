"""The ``uncollapse`` command: one file per subcommand, ``console.py`` for what they share."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; what ``uncollapse`` and ``python -m uncollapse`` call."""
    try:
        from .app import make_app
    except ModuleNotFoundError as missing:
        if missing.name not in {"typer", "rich"}:
            raise
        sys.exit(f"The uncollapse command needs {missing.name}: pip install 'uncollapse[cli]'")
    make_app()()
