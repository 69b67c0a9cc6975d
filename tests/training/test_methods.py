"""A method that is registered in one file: trained, read and diagnosed, by command and from Python."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import CliRunner

from toys import diagnoses
from toys.diagnoses import CONTEXTS, TEMPLATES
from toys.pipelines import WIDTH, make_pipeline
from toys.states import assert_same, everything
from toys.trainings import make_photos
from uncollapse.cli.train import train_app
from uncollapse.diagnosis.checkpoints import states
from uncollapse.diagnosis.probe import ProbeSettings
from uncollapse.diagnosis.training import diagnose_trajectory
from uncollapse.errors import FileFormatError, TrainingError
from uncollapse.training import METHODS, Group, Learner, Settings, Task, registered, train
from uncollapse.trajectory import read_trajectory

SKS = {"placeholder": "sks cat", "class_word": "cat", "batch_size": 1}


@dataclass(frozen=True, kw_only=True)
class Shift(Settings):
    """Everything the text encoder says is shifted by one vector, which is drawn to a number.

    Args:
        target: the number.
    """

    name: ClassVar[str] = "shift"
    level: ClassVar[str] = "prompt"
    summary: ClassVar[str] = "Learn a shift of all words."

    target: float = 2.0

    @contextmanager
    def learner(self, task: Task) -> Iterator[Learner]:
        shift = nn.Parameter(torch.zeros(WIDTH))
        yield Learner(
            groups=[Group({"shift": shift}, self.lr)],
            loss=lambda generator: (shift - self.target).pow(2).mean(),
            save=partial(save, shift),
            result="shift.safetensors",
        )

    @classmethod
    @contextmanager
    def loaded(cls, pipe, path, placeholder, load_base):
        tuned = load_base()
        with torch.no_grad():
            bias_of(tuned).add_(load_file(path)["shift"])
        yield tuned


def bias_of(pipe):
    """What is added to all that the text encoder says; its module moves between versions of transformers."""
    named = pipe.text_encoder.named_parameters()
    return next(p for name, p in named if name.endswith("final_layer_norm.bias"))


def save(shift, path, step):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"shift": shift.detach()}, path)


@pytest.fixture(autouse=True)
def known():
    before = list(METHODS)
    registered(Shift)
    yield
    del METHODS["shift"]
    assert list(METHODS) == before


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos")


@pytest.fixture
def trajectory(pipe, photos, tmp_path):
    settings = Shift(**SKS, steps=2, lr=0.5, checkpoint_steps=[0])
    return train(pipe, photos, tmp_path / "out", settings)


def test_the_command_offers_trains_and_diagnoses_it(model, photos, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(train_app(), [*map(str, arguments)])

    assert list(METHODS)[-1] == "shift"
    assert "Learn a shift of all words." in run("--help").output
    assert "The number." in run("shift", "--help").output
    options = ["--placeholder", "sks cat", "--class-word", "cat", "--model", model, "--target", 3, "--json"]
    options += ["--steps", 2, "--checkpoint-steps", "0,1,..."]
    result = run("shift", photos, "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["method"] == "shift"
    assert json.loads(result.stdout)["settings"]["target"] == 3
    (tmp_path / "contexts.txt").write_text("\n".join(TEMPLATES), encoding="utf-8")
    asked = ("--contexts", tmp_path / "contexts.txt", "-o", tmp_path / "found")
    result = diagnoses.run(tmp_path / "out", *asked)
    assert result.exit_code == 0, result.output
    assert "From step 0 to 2 the context heard went from" in " ".join(result.stdout.split())
    assert "(shift)" in (tmp_path / "found" / "report.html").read_text(encoding="utf-8")


def test_its_trajectory_is_read_and_its_checkpoints_are_put_into_a_pipeline(pipe, trajectory):
    assert read_trajectory(trajectory.folder) == trajectory
    assert (trajectory.method, trajectory.placeholder) == ("shift", "sks cat")
    before = everything(pipe)
    shifts = []
    for checkpoint, tuned in states(trajectory, pipe, make_pipeline):
        plain, moved = (bias_of(each) for each in (pipe, tuned))
        shifts.append((moved - plain).detach())
        torch.testing.assert_close(shifts[-1], load_file(trajectory.path(checkpoint))["shift"])
    assert [shift.abs().max() > 0 for shift in shifts] == [False, True]
    assert_same(before, everything(pipe))


def test_it_is_resumed(pipe, photos, trajectory, tmp_path):
    settings = {**SKS, "steps": 4, "lr": 0.5, "checkpoint_steps": [0, 2]}
    longer = train(pipe, photos, trajectory.folder, Shift(**settings), resume=True)
    whole = train(pipe, photos, tmp_path / "whole", Shift(**settings))
    assert longer.checkpoints == whole.checkpoints
    with pytest.raises(TrainingError, match=r"target=2\.0, not 1\.0"):
        train(pipe, photos, trajectory.folder, Shift(**settings, target=1.0), resume=True)


@pytest.mark.thorough
def test_it_is_adjusted_as_its_level_asks(trajectory, monkeypatch):
    def found(level):
        monkeypatch.setattr(Shift, "level", level)
        probing = ProbeSettings(seeds=(0,))
        return diagnose_trajectory(trajectory, make_pipeline, CONTEXTS, probing, 4).points

    assert found("prompt") == found("prompt")
    assert found("token") != found("prompt")


def test_a_method_that_nobody_knows_is_refused(pipe, photos, trajectory, tmp_path, monkeypatch):
    monkeypatch.setitem(METHODS, "shift", METHODS["reversion"])
    with pytest.raises(TrainingError, match="Shift is no registered method"):
        train(pipe, photos, tmp_path / "other", Shift(**SKS))
    assert not (tmp_path / "other").exists()
    monkeypatch.delitem(METHODS, "shift")
    said = "'shift', none of textual-inversion, reversion, dreambooth-lora, custom-diffusion"
    read = read_trajectory(trajectory.folder)
    with pytest.raises(FileFormatError, match=said):
        next(states(read, pipe, make_pipeline))
    result = diagnoses.run(trajectory.folder, "-o", tmp_path / "found")
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize("kind", METHODS.values(), ids=METHODS)
def test_a_method_says_what_it_is(kind):
    assert kind.level in ("token", "prompt")
    assert kind.summary.endswith(".")
    assert kind(placeholder=kind.example.format("cat"), class_word="cat").name == kind.name
