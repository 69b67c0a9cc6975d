"""``uncollapse train``: its options are the methods' settings; what goes wrong is one sentence."""

import dataclasses
import json
import os
import shlex
import signal

import pytest
from typer.testing import CliRunner

from toys.trainings import make_photos
from uncollapse.cli.app import make_app
from uncollapse.cli.train import documented, parse_steps
from uncollapse.errors import TrainingError
from uncollapse.learned_embeds import read
from uncollapse.training import METHODS, loop
from uncollapse.trajectory import read_trajectory

CAT = ["--placeholder", "<my-cat>", "--class-word", "cat", "--batch-size", 2]


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos")


def run(*arguments):
    return CliRunner().invoke(make_app(), ["train", *map(str, arguments)])


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
    generate = (
        f"uncollapse generate {model} --embedding {tmp_path / 'out'} --placeholder '<my-cat>' --anchor cat"
    )
    said = result.stderr.splitlines()
    assert said[-2:] == [
        f"uncollapse diagnose {tmp_path / 'out'}",
        f"{generate} --prompt 'a photo of <my-cat> in the snow' --compare",
    ]
    drawing = [*shlex.split(said[-1])[1:-1], "--steps", "1", "-n", "1", "-o", str(tmp_path / "next")]
    drawn = CliRunner().invoke(make_app(), drawing)
    assert drawn.exit_code == 0, drawn.output


def stopped_at(step, monkeypatch):
    """Ctrl-C is pressed in that step."""
    take_step = loop._Run.take_step

    def pressed(self):
        if self.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return take_step(self)

    monkeypatch.setattr(loop._Run, "take_step", pressed)


@pytest.fixture
def interrupts():
    """Ctrl-C does what it does in a terminal; in the background a shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_what_was_stopped_goes_on_with_nothing_but_its_folder(
    model, photos, tmp_path, monkeypatch, interrupts
):
    """Before its first checkpoint and its first save; to the file that it would have been."""
    options = [
        "--placeholder",
        "sks cat",
        "--class-word",
        "cat",
        "--model",
        model,
        "--steps",
        3,
        "--lr",
        0.01,
    ]
    options = [*options, "--batch-size", 1, "--rank", 2, "--dtype", "bfloat16"]
    whole = run("dreambooth-lora", photos, "-o", tmp_path / "whole", *options)
    assert whole.exit_code == 0, whole.output
    with monkeypatch.context() as patched:
        stopped_at(1, patched)
        stopped = run("dreambooth-lora", photos, "-o", tmp_path / "my out", *options)
    assert stopped.exit_code == 130, stopped.output
    said = stopped.stderr.splitlines()[-1]
    assert said == f"uncollapse train --resume '{tmp_path / 'my out'}'"
    result = CliRunner().invoke(make_app(), shlex.split(said)[1:])
    assert result.exit_code == 0, result.output
    name = "pytorch_lora_weights.safetensors"
    assert (tmp_path / "my out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    more = run(
        "--resume", tmp_path / "my out", "--steps", 4, "--checkpoint-steps", "3,4", "--rank", 2, "--json"
    )
    assert more.exit_code == 0, more.output
    assert [each["step"] for each in json.loads(more.stdout)["checkpoints"]] == [3, 4]


def test_a_training_goes_on_with_what_it_had(model, photos, tmp_path):
    out = tmp_path / "out"
    assert run("textual-inversion", photos, "-o", out, *CAT, "--model", model, "--steps", 1).exit_code == 0
    photos.rename(tmp_path / "elsewhere")
    for arguments, words in (
        (["--resume", out, "--lr", 0.1], "had --lr=0.005, not 0.1. It goes on with what it had"),
        (["--resume", out, "--class-word", "dog"], "had --class-word='cat', not 'dog'"),
        (["--resume", out, "--rank", 3], "has no --rank: leave it out"),
        (["--resume", out], f"no folder at '{photos}'"),
        (["--resume", tmp_path], "holds no trajectory"),
        (["--steps", 4], "Name a method, one of textual-inversion"),
        (["--steps", 4, "textual-inversion", photos, "-o", tmp_path / "o", *CAT], "--steps stands before"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
    late = run("textual-inversion", photos, "-o", out, *CAT, "--resume")
    assert late.exit_code == 2
    assert "uncollapse train --resume FOLDER" in late.stderr
    moved = run("--resume", out, "--photos", tmp_path / "elsewhere", "--steps", 2)
    assert moved.exit_code == 0, moved.output
    assert read_trajectory(out).photos == str(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{photos}", "--model", "{photos}", *CAT], "no model_index.json"),
        (["{model}", "--model", "{model}", *CAT], "holds no PNG"),
        (["{photos}", "--model", "{model}", *CAT, "--placeholder", "dog"], "is a word already"),
        (["{photos}", "--model", "{model}", *CAT, "--class-word", " "], "anchor"),
        (["{photos}", "--model", "{model}", *CAT, "--lr", "-1"], "--lr=-1.0: it must be greater than 0"),
        (["{photos}", "--model", "{model}", *CAT, "--checkpoint-steps", "a,b"], "lists no steps"),
        (["{photos}", "--model", "{model}", *CAT, "--kappa", "1"], "without --norm-preserving it changes"),
        (["{photos}", "--model", "{model}", *CAT, "--validation-prompt", "<my-cat>"], "--preview-every"),
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
