"""``uncollapse train``: its options are the methods' settings; what goes wrong is one sentence."""

import dataclasses
import json
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from toys.trainings import make_photos
from uncollapse.cli.app import make_app
from uncollapse.cli.console import resume_command
from uncollapse.cli.train import documented, parse_steps
from uncollapse.errors import TrainingError
from uncollapse.learned_embeds import read
from uncollapse.training import METHODS
from uncollapse.trajectory import read_trajectory

CAT = ["--placeholder", "<my-cat>", "--class-word", "cat", "--batch-size", 2]
SLOW = """
import os, signal, sys
import uncollapse.training.loop as loop

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
take_step = loop._Run.take_step

def pressed_at_two(self):
    if self.step == 1:
        os.kill(os.getpid(), signal.SIGINT)
    return take_step(self)

loop._Run.take_step = pressed_at_two
from uncollapse.cli import main
main()
"""


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos")


def run(method, *arguments):
    return CliRunner().invoke(make_app(), ["train", method, *map(str, arguments)])


def test_every_setting_is_an_option_with_help():
    for kind in METHODS.values():
        helps = documented(kind)
        for each in dataclasses.fields(kind):
            assert helps[each.name].endswith("."), each.name


def test_textual_inversion_leaves_an_embedding_and_its_trajectory(model, photos, tmp_path):
    on_disk = {path: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    options = [*CAT, "--model", model, "--steps", 4, "--checkpoint-steps", "0,1,...", "--json"]
    result = run("textual-inversion", photos, "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert [each["step"] for each in data["checkpoints"]] == [0, 1, 2, 3, 4]
    assert data["base_model"] == str(model)
    assert {path: path.read_bytes() for path in model.rglob("*") if path.is_file()} == on_disk
    assert len(read_trajectory(tmp_path / "out").checkpoints) == 5
    assert read(tmp_path / "out").placeholder == "<my-cat>"
    again = run("textual-inversion", photos, "-o", tmp_path / "out", *options)
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    longer = run("textual-inversion", photos, "-o", tmp_path / "out", *options, "--steps", 5, "--resume")
    assert longer.exit_code == 0, longer.output
    assert [each["step"] for each in json.loads(longer.stdout)["checkpoints"]] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{photos}", "--model", "{photos}", *CAT], "no model_index.json"),
        (["{model}", "--model", "{model}", *CAT], "holds no PNG"),
        (["{photos}", "--model", "{model}", *CAT, "--placeholder", "dog"], "is a word already"),
        (["{photos}", "--model", "{model}", *CAT, "--class-word", " "], "anchor"),
        (["{photos}", "--model", "{model}", *CAT, "--lr", "-1"], "lr=-1"),
        (["{photos}", "--model", "{model}", *CAT, "--checkpoint-steps", "a,b"], "lists no steps"),
        (["{photos}", "--model", "{model}", *CAT, "--checkpoint-steps", "0,2000"], "between 0 and 1000"),
        (["{photos}", "--model", "{model}", *CAT, "--dtype", "int4"], "int4"),
        (["{photos}", "--model", "{model}", *CAT, "-o", "{photos}/0.png/out"], "is a file"),
    ],
)
def test_bad_input_is_one_sentence(model, photos, tmp_path, arguments, words):
    arguments = [str(each).format(photos=photos, model=model) for each in arguments]
    output = [] if "-o" in arguments else ["-o", tmp_path / "out"]
    result = run("textual-inversion", *arguments, *output)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_ctrl_c_saves_and_says_how_to_go_on(model, photos, tmp_path, environment):
    options = [*CAT, "--model", model, "--steps", 5]
    arguments = ["train", "textual-inversion", photos, "-o", tmp_path / "my out", *options]
    command = [sys.executable, "-c", SLOW, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    said = done.stderr.strip().splitlines()[-1]
    assert said == resume_command(["", *map(str, arguments)])
    assert said.endswith("--resume")
    assert "'" in said
    assert run("textual-inversion", *arguments[2:], "--resume").exit_code == 0
    assert read_trajectory(tmp_path / "my out").checkpoints[-1].step == 5


@pytest.mark.parametrize(
    ("text", "steps"),
    [("", ()), ("0", (0,)), ("0, 5,7", (0, 5, 7)), ("0,4,...", (0, 4, 8)), ("2,4,…", (2, 4, 6, 8, 10))],
)
def test_steps_are_read_as_people_write_them(text, steps):
    assert parse_steps(text, 11) == steps


@pytest.mark.parametrize("text", ["...", "3,...", "3,3,...", "1,two"])
def test_steps_that_are_none(text):
    with pytest.raises(TrainingError, match="lists no steps"):
        parse_steps(text, 11)
