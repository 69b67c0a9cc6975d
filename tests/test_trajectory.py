"""The manifest of a trajectory: what is written is what is read, and what is wrong with one is said."""

import json
from dataclasses import replace

import pytest

from uncollapse.errors import FileFormatError, OutputError
from uncollapse.trajectory import NAME, Checkpoint, Trajectory, read_trajectory, write_trajectory


@pytest.fixture
def trajectory(tmp_path):
    """Two steps of a Textual Inversion, their files in place."""
    (tmp_path / "steps").mkdir()
    for step in (0, 100):
        (tmp_path / f"steps/step-{step:06d}.safetensors").write_bytes(b"")
    checkpoints = (
        Checkpoint(0, "steps/step-000000.safetensors", None, 0.39, 1.0),
        Checkpoint(100, "steps/step-000100.safetensors", 0.31, 0.5, 0.41),
    )
    settings = {"steps": 100, "lr": 0.005, "checkpoint_steps": [0], "initialiser": None}
    return Trajectory(tmp_path, "textual-inversion", "<my-çat>", "cat", "some/model", checkpoints, settings)


def test_what_is_written_is_read(trajectory, tmp_path):
    assert write_trajectory(trajectory) == tmp_path / NAME
    assert read_trajectory(tmp_path) == trajectory
    assert read_trajectory(tmp_path / NAME) == trajectory
    assert trajectory.path(trajectory.checkpoints[1]).exists()


def test_the_manifest_is_what_the_format_says(trajectory, tmp_path):
    write_trajectory(trajectory)
    data = json.loads((tmp_path / NAME).read_text(encoding="utf-8"))
    names = ["format", "method", "placeholder", "class_word", "base_model", "checkpoints", "settings"]
    names += ["photos", "dtype"]
    assert list(data) == names
    assert list(data["checkpoints"][0]) == ["step", "file", "loss", "norm", "cosine"]


def test_a_manifest_without_settings_is_read(trajectory, tmp_path):
    path = write_trajectory(trajectory)
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["settings"]
    path.write_text(json.dumps(data), encoding="utf-8")
    assert read_trajectory(tmp_path) == replace(trajectory, settings={})


def test_a_folder_without_one(tmp_path):
    with pytest.raises(FileFormatError, match="holds no trajectory"):
        read_trajectory(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(format=2), "format is 2"),
        (lambda d: d.pop("format"), "format is None"),
        (lambda d: d.update(method=7), "its method is 7, not a text"),
        (lambda d: d.pop("placeholder"), "placeholder"),
        (lambda d: d.update(class_word=3), "class_word"),
        (lambda d: d.update(checkpoints=3), "damaged"),
        (lambda d: d.update(settings=[1]), "settings"),
        (lambda d: d["checkpoints"].reverse(), "order"),
        (lambda d: d["checkpoints"][0].pop("loss"), "loss"),
        (lambda d: d["checkpoints"][0].update(norm="long"), "norm"),
        (lambda d: d["checkpoints"][0].update(step=-1), "step"),
        (lambda d: d["checkpoints"][-1].update(step=10**400), "step"),
        (lambda d: d["checkpoints"][0].update(loss=10**400), "loss"),
        (lambda d: d["checkpoints"][0].update(norm=[0] * 10**6), "norm"),
        (lambda d: d["checkpoints"][0].update(file="a" * 300), "not there"),
        (lambda d: d["checkpoints"][0].update(file="/etc/passwd"), "inside the folder"),
        (lambda d: d["checkpoints"][0].update(file="../a.safetensors"), "inside the folder"),
        (lambda d: d["checkpoints"][0].update(file="gone.safetensors"), "not there"),
    ],
)
def test_what_is_wrong_is_said(trajectory, tmp_path, change, words):
    path = write_trajectory(trajectory)
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(FileFormatError, match=words) as error:
        read_trajectory(tmp_path)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00", "[" * 10**5, '{"a": ' * 10**5])
def test_a_damaged_manifest_is_named(tmp_path, text):
    (tmp_path / NAME).write_text(text, encoding="utf-8")
    with pytest.raises(FileFormatError, match=NAME):
        read_trajectory(tmp_path)


def test_a_place_that_cannot_be_written_to(trajectory, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_trajectory(Trajectory(tmp_path / "file" / "folder", *list(vars(trajectory).values())[1:]))
