"""The pages of the docs: their examples, and the commands in them run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from uncollapse.cli.app import make_app

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, heading=""):
    """(language, text) of each example from the heading on."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return BLOCK.findall(text[text.index(heading) :])


def run_commands(text):
    """Each line of an example; all must succeed."""
    for line in text.strip().splitlines():
        name, *arguments = shlex.split(line)
        assert name == "uncollapse"
        result = CliRunner().invoke(make_app(), arguments)
        assert result.exit_code == 0, result.output
