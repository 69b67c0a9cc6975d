"""What a diagnosis is asked of a toy: the sentences, quick settings, the command; and made-up trainings."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from uncollapse.cli.app import make_app
from uncollapse.comparison import PERSONALISED, tea_arms
from uncollapse.diagnosis.contexts import Contexts
from uncollapse.diagnosis.diagnose import DiagnosisSettings
from uncollapse.diagnosis.pictures import Pictures, PictureSettings
from uncollapse.diagnosis.points import Measured, Point, TrainingDiagnosis
from uncollapse.diagnosis.probe import ProbeSettings
from uncollapse.diagnosis.training import with_point
from uncollapse.diagnosis.verdict import judged
from uncollapse.metrics.sets.bootstrap import Interval
from uncollapse.trajectory import Trajectory

TEMPLATES = tuple(f"a photo of {{}} {place}" for place in ("in the snow", "on the beach", "near a car"))
TEMPLATES += tuple(
    f"{{}} {place}" for place in ("in the snow", "on the beach", "wearing a hat", "near a dog")
)
TEMPLATES += ("a red hat near {}", "a man and {}")
CONTEXTS = Contexts(TEMPLATES, tuple(range(1, 10)), "test")
FAST = DiagnosisSettings(
    arms=tea_arms((0.3, 0.9), 1.0), probe=ProbeSettings(seeds=(0,)), probe_contexts=4, as_published=True
)


def training_of(heard, pictures=None):
    """A training whose checkpoints, 100 steps apart, hear so much; each with its ``pictures``, if any."""
    found = TrainingDiagnosis(Trajectory(Path(), "dreambooth-lora", "sks cat", "cat", "toy"))
    for i, value in enumerate(heard):
        values = {"heard": Interval(value, value, value), "presence": Interval(1.0, 1.0, 1.0)}
        drawn = pictures and Pictures(PictureSettings(pictures[i].prompts), pictures[i])
        arms = drawn.comparison.arms if drawn else [PERSONALISED]
        measured = {arm.name: Measured(arm, values, {}) for arm in arms}
        point = Point(100 * i, judged(value, 1.0), measured)
        found = with_point(found, point.drawn(drawn) if drawn else point)
    return found


def run(*arguments):
    """``uncollapse diagnose``, which may refuse, but not break."""
    result = CliRunner().invoke(make_app(), ["diagnose", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def model_and_lora(files):
    """The arguments for these, as the fixture ``diagnosed`` has them."""
    return files / "model", "--lora", files / "lora", "--placeholder", "sks cat"
