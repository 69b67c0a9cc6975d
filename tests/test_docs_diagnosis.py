"""The page on diagnoses: its commands run, and its thresholds are the code's."""

import shutil
from pathlib import Path

import pytest

from conftest import add_lora, make_pipeline
from test_diagnosis_verdict import TEMPLATES
from test_docs_files import ROOT, at_hand, blocks, run_commands  # noqa: F401
from toys import picture, save_clip, save_lora
from uncollapse.diagnosis.verdict import HEARD, PRESENCE
from uncollapse.trajectory import Checkpoint, Trajectory, write_trajectory


@pytest.fixture
def reader(at_hand):  # noqa: F811
    """What the page speaks of, where the reader stands."""
    Path("contexts.txt").write_text("\n".join(TEMPLATES), encoding="utf-8")
    save_clip(at_hand / "path" / "to" / "clip")
    Path("photos").mkdir()
    picture("purple").save("photos/1.png")
    pipe = make_pipeline()
    add_lora(pipe)
    folder = at_hand / "path" / "to" / "training"
    lora = save_lora(pipe, folder)
    shutil.copy(lora, folder / "later.safetensors")
    steps = (Checkpoint(0, lora.name), Checkpoint(9, "later.safetensors"))
    model = str(at_hand / "path" / "to" / "model")
    write_trajectory(Trajectory(folder, "dreambooth-lora", "sks cat", "cat", model, steps))


def test_every_command_runs_and_writes_a_report(reader):
    for _, text in blocks("docs/diagnosis.md"):
        run_commands(text)
    for name in ("diagnosis", "diagnosis-model", "diagnosis-pictures", "diagnosis-training"):
        assert (Path(name) / "report.html").stat().st_size > 5000


def test_the_lines_are_the_codes():
    text = (ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    assert f"(heard {HEARD:.2f}, presence {PRESENCE:.2f})" in text
    for image in ("norms", "heard", "training"):
        assert (ROOT / "docs" / "images" / f"diagnosis-{image}.png").exists()
