"""The page on training: its examples and its commands run, at fewer steps."""

import re
import shlex

import pytest
from typer.testing import CliRunner

from toys.docs import ROOT
from toys.pipelines import make_pipeline
from toys.trainings import make_photos
from uncollapse.cli.app import make_app

PAGE = ROOT / "docs" / "training.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    make_photos(tmp_path / "photos")
    [prompts] = re.findall(r"```jsonl\n(.*?)```", TEXT, re.DOTALL)
    (make_photos(tmp_path / "relation") / "metadata.jsonl").write_text(prompts)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shorter(example):
    """Three steps, or five to go on with; one class image."""
    example = example.replace("steps=1500", "steps=5").replace("range(0, 3000, 100)", "range(3)")
    example = re.sub(r"([ (])steps=\d{3,}", r"\1steps=3", example).replace(
        "preview_every=500", "preview_every=2"
    )
    return example.replace("class_images=50", "class_images=1")


def test_the_examples_run(folder):
    names = {"pipe": make_pipeline()}
    examples = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(examples) == 6
    for example in examples:
        exec(compile(shorter(example), str(PAGE), "exec"), names)
    assert names["image"].size == (16, 16)
    assert len(names["norms"]) == 1
    for listed in re.findall(r"\| `(previews|class_images)/`", TEXT):
        assert list(folder.glob(f"*/{listed}/*.png"))
    assert len(list(folder.glob("*/state.pt"))) == 5


def test_the_commands_run(folder, model):
    block, again = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    commands = block.strip().splitlines()
    assert len(commands) == 4
    for command in commands:
        _, *arguments = shlex.split(command.replace("0,100,...", "0,1,..."))
        short = ["--model", str(model), "--steps", "2", "--batch-size", "2"]
        if not {"textual-inversion", "reversion"} & {*arguments}:
            short += ["--class-images", "1"]
        result = CliRunner().invoke(make_app(), [*arguments, *short])
        assert result.exit_code == 0, result.output
    for command in again.strip().splitlines():
        result = CliRunner().invoke(make_app(), shlex.split(command.replace("1500", "3"))[1:])
        assert result.exit_code == 0, result.output
