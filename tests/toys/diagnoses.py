"""What a diagnosis is asked of a toy: the sentences, quick settings, and the command."""

from __future__ import annotations

from typer.testing import CliRunner

from uncollapse.cli.app import make_app
from uncollapse.comparison import tea_arms
from uncollapse.diagnosis.contexts import Contexts
from uncollapse.diagnosis.diagnose import DiagnosisSettings
from uncollapse.diagnosis.probe import ProbeSettings

TEMPLATES = tuple(f"a photo of {{}} {place}" for place in ("in the snow", "on the beach", "near a car"))
TEMPLATES += tuple(
    f"{{}} {place}" for place in ("in the snow", "on the beach", "wearing a hat", "near a dog")
)
TEMPLATES += ("a red hat near {}", "a man and {}")
CONTEXTS = Contexts(TEMPLATES, tuple(range(1, 10)), "test")
FAST = DiagnosisSettings(
    arms=tea_arms((0.3, 0.9), 1.0), probe=ProbeSettings(seeds=(0,)), probe_contexts=4, as_published=True
)


def run(*arguments):
    """``uncollapse diagnose``, which may refuse, but not break."""
    result = CliRunner().invoke(make_app(), ["diagnose", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def model_and_lora(files):
    """The arguments for these, as the fixture ``diagnosed`` has them."""
    return files / "model", "--lora", files / "lora", "--placeholder", "sks cat"
