"""The page on diagnoses: its commands run, and its thresholds are the code's."""

import re
import shutil
from pathlib import Path

import pytest

from toys.clip import save_clip
from toys.diagnoses import TEMPLATES
from toys.docs import ROOT, blocks, run_commands
from toys.pictures import picture
from toys.pipelines import add_lora, make_pipeline, save_lora
from uncollapse.diagnosis.pictures import picture_prompts
from uncollapse.diagnosis.verdict import DOUBT, HEARD, PRESENCE
from uncollapse.trajectory import Checkpoint, Trajectory, write_trajectory


@pytest.fixture
def reader(at_hand, monkeypatch):
    """What the page speaks of, where the reader stands, who is content with pictures of two contexts."""
    module = "uncollapse.cli.diagnose_pictures.picture_prompts"
    monkeypatch.setattr(module, lambda contexts: picture_prompts(contexts, 2))
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
        run_commands(text.replace("--steps 20", "--steps 1"))
    for name in ("diagnosis", "diagnosis-model", "diagnosis-pictures", "diagnosis-training"):
        assert (Path(name) / "report.html").stat().st_size > 5000


def test_the_lines_are_the_codes():
    text = (ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    assert f"(heard {HEARD:.2f}, presence {PRESENCE:.2f})" in text
    right, usual, dominating, usually = re.findall(r"\d\d", DOUBT)
    assert f"judged less well: {right} % right, {dominating} % of" in text
    assert f"| three-way verdict right | {usual} %" in text
    assert f'| "dominating or not" right | {usually} %' in text
    for image in ("norms", "heard", "training"):
        assert (ROOT / "docs" / "images" / f"diagnosis-{image}.png").exists()
