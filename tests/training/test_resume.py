"""A training that is killed at any moment, or stopped by Ctrl-C, goes on as if it had not been."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from PIL import Image

from toys.pipelines import make_pipeline
from toys.states import assert_same, everything
from toys.trainings import ANY, SETTINGS, make_photos
from uncollapse.errors import FileFormatError, OutputError, TrainingError, UncollapseWarning
from uncollapse.learned_embeds import read
from uncollapse.training import TextualInversion, train
from uncollapse.trajectory import read_trajectory

KILLED = """
import os, signal, sys
from toys.pipelines import make_pipeline
from toys.trainings import SETTINGS
from uncollapse.training import train

def killed_at_six(step, loss):
    if step == 6:
        os.kill(os.getpid(), signal.SIGKILL)

train(make_pipeline(), sys.argv[1], sys.argv[2], SETTINGS, on_step=killed_at_six)
"""


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos")


def trained(pipe, photos, folder, settings=SETTINGS, **options):
    losses = {}
    trajectory = train(pipe, photos, folder, settings, on_step=losses.__setitem__, **options)
    return losses, trajectory.checkpoints, read(folder).vectors["text_encoder"]


def test_a_killed_process_is_resumed_to_the_same_result(pipe, photos, tmp_path, environment):
    losses, checkpoints, rows = trained(pipe, photos, tmp_path / "whole")
    command = [sys.executable, "-c", KILLED, str(photos), str(tmp_path / "killed")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "killed" / "learned_embeds.safetensors").exists()
    assert [each.step for each in read_trajectory(tmp_path / "killed").checkpoints] == [0, 3]
    again, checkpoints_again, rows_again = trained(pipe, photos, tmp_path / "killed", resume=True)
    assert list(again) == [5, 6, 7, 8, 9]
    for step, loss in again.items():
        assert loss == pytest.approx(losses[step], rel=1e-5)
    for one, other in zip(checkpoints, checkpoints_again, strict=True):
        assert (one.step, one.file) == (other.step, other.file)
        assert one.norm == pytest.approx(other.norm, rel=1e-5)
        assert one.loss == (other.loss if one.step == 0 else pytest.approx(other.loss, rel=1e-5))
    torch.testing.assert_close(rows, rows_again)
    assert not list((tmp_path / "killed").rglob(".*"))


@pytest.fixture
def interrupts():
    """Sets what Ctrl-C does; as it was afterwards. In the background a shell has it ignored."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_ignored_where_it_was(pipe, photos, tmp_path, interrupts):
    interrupts(signal.SIG_IGN)
    train(pipe, photos, tmp_path / "out", SETTINGS, on_step=lambda *_: os.kill(os.getpid(), signal.SIGINT))
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_ctrl_c_ends_the_step_and_saves_the_state(pipe, photos, tmp_path, interrupts):
    interrupts(signal.default_int_handler)
    before = everything(pipe)
    _, _, rows = trained(pipe, photos, tmp_path / "whole")

    def pressed_at_five(step, loss):
        if step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(pipe, photos, tmp_path / "out", SETTINGS, on_step=pressed_at_five)
    assert_same(before, everything(pipe))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again, _, rows_again = trained(pipe, photos, tmp_path / "out", resume=True)
    assert list(again) == [6, 7, 8, 9]
    torch.testing.assert_close(rows, rows_again)


def test_a_finished_training_can_be_given_more_steps(pipe, photos, tmp_path):
    longer = TextualInversion(**{**vars(SETTINGS), "steps": 11})
    _, checkpoints, rows = trained(pipe, photos, tmp_path / "whole", longer)
    trained(pipe, photos, tmp_path / "out")
    assert trained(pipe, photos, tmp_path / "out", resume=True)[0] == {}
    again, checkpoints_again, rows_again = trained(pipe, photos, tmp_path / "out", longer, resume=True)
    assert list(again) == [10, 11]
    assert [each.step for each in checkpoints_again] == [0, 3, 6, 9, 11]
    assert checkpoints[-1].norm == pytest.approx(checkpoints_again[-1].norm)
    torch.testing.assert_close(rows, rows_again)


def test_nothing_to_resume_is_a_fresh_start(pipe, photos, tmp_path):
    assert list(trained(pipe, photos, tmp_path / "out", resume=True)[0]) == list(range(1, 10))


def test_a_training_that_left_nothing_can_be_begun_again_with_other_settings(pipe, photos, tmp_path):
    wild = {"lr": 1e30, "optimizer": "SGD", "checkpoint_steps": (), "save_every": 9}
    with pytest.raises(TrainingError, match="diverged"):
        trained(pipe, photos, tmp_path / "out", TextualInversion(**{**vars(SETTINGS), **wild}))
    assert read_trajectory(tmp_path / "out").checkpoints == ()
    trained(pipe, photos, tmp_path / "out", TextualInversion(**{**vars(SETTINGS), "steps": 6}))
    with pytest.raises(OutputError, match="holds a training already"):
        trained(pipe, photos, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "words"),
    [({"lr": 0.1}, r"had lr=0\.005, not 0\.1"), ({"class_word": "dog"}, "class_word='cat'")],
)
def test_other_settings_do_not_resume(pipe, photos, tmp_path, change, words):
    trained(pipe, photos, tmp_path / "out", TextualInversion(**{**vars(SETTINGS), "steps": 6}))
    with pytest.raises(TrainingError, match=words):
        trained(pipe, photos, tmp_path / "out", TextualInversion(**{**vars(SETTINGS), **change}), resume=True)


def test_other_photos_do_not_resume(pipe, photos, tmp_path):
    trained(pipe, photos, tmp_path / "out", TextualInversion(**{**vars(SETTINGS), "steps": 6}))
    (photos / "2.png").rename(tmp_path / "2.png")
    fewer = pytest.warns(UncollapseWarning, match="holds 2 photos")
    with fewer, pytest.raises(TrainingError, match="learned from 3 photos, and here are 2, 0 of them new"):
        trained(pipe, photos, tmp_path / "out", resume=True)
    Image.new("RGB", (20, 18), "olive").save(photos / "2.png")
    with pytest.raises(TrainingError, match="here are 3, 1 of them new"):
        trained(pipe, photos, tmp_path / "out", resume=True)
    (tmp_path / "2.png").rename(photos / "2.png")
    assert list(trained(pipe, photos, tmp_path / "out", resume=True)[0]) == [7, 8, 9]


def test_a_state_of_before_photos_were_known_resumes_with_a_warning(pipe, photos, tmp_path):
    trained(pipe, photos, tmp_path / "out", TextualInversion(**{**vars(SETTINGS), "steps": 6}))
    state = torch.load(tmp_path / "out" / "state.pt", weights_only=True)
    del state["run"]["photos"]
    torch.save(state, tmp_path / "out" / "state.pt")
    with pytest.warns(UncollapseWarning, match="does not say which photos"):
        assert list(trained(pipe, photos, tmp_path / "out", resume=True)[0]) == [7, 8, 9]


def test_a_damaged_state_is_named(pipe, photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "state.pt").write_bytes(b"not a state")
    with pytest.raises(FileFormatError, match="cannot be read"):
        trained(pipe, photos, tmp_path / "out", resume=True)


def test_a_state_of_another_shape_is_named(pipe, photos, tmp_path):
    file = tmp_path / "out" / "state.pt"
    settings = TextualInversion(**{**vars(SETTINGS), "steps": 3, "checkpoint_steps": (3,)})
    trained(pipe, photos, tmp_path / "out", settings)
    whole = torch.load(file, weights_only=True)
    name = next(iter(whole["parameters"]))
    for change in (
        {"losses": ["a"] * 3},
        {"losses": 3},
        {"checkpoints": [{"step": 3}]},
        {"parameters": {}},
        {"parameters": {name: torch.zeros(1)}},  # which copy_ would spread over all
        {"parameters": {name: whole["parameters"][name] * torch.nan}},
        {"parameters": [1]},
        {"optimizer": {}},
        {"optimizer": {"state": 3, "param_groups": []}},
        {"run": [1]},
        {"another": 1},
    ):
        torch.save(whole | change, file)
        with pytest.raises(FileFormatError, match=r"state\.pt' cannot be read"):
            trained(pipe, photos, tmp_path / "out", resume=True)


@contextmanager
def disk_full():
    """The system refuses every file beyond a few bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("method", ANY)
def test_a_disk_that_fills_up_leaves_what_was_there(photos, tmp_path, method):
    settings, out = ANY[method], tmp_path / method
    said = rf"Cannot write to '.*{method}.*': File too large\. .* with resume\.$"
    with disk_full() as fills_up, pytest.raises(OutputError, match=said):
        train(make_pipeline(), photos, out, settings, on_step=lambda step, _: step == 5 and fills_up())
    assert [each.step for each in read_trajectory(out).checkpoints] == [0, 3]
    assert not list(out.rglob(".*"))
    again = {}
    train(make_pipeline(), photos, out, settings, resume=True, on_step=again.__setitem__)
    assert list(again) == [5, 6, 7, 8, 9]


def test_the_trajectory_of_a_textual_inversion_is_small(pipe, photos, tmp_path):
    """31 checkpoints; SDXL's longer rows and the state's 3,000 losses, 9 bytes each, are added."""
    settings = TextualInversion(**{**vars(SETTINGS), "steps": 30, "checkpoint_steps": range(31)})
    train(pipe, photos, tmp_path / "out", settings)
    assert len(list((tmp_path / "out" / "steps").iterdir())) == 31
    size = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert size + (31 + 1 + 3) * 4 * (768 + 1280) + 2970 * 9 < 1_000_000
