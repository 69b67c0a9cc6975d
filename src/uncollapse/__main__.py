"""``python -m uncollapse`` is the ``uncollapse`` command."""

from .cli import main

main()
