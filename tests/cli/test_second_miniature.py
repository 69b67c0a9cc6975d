"""A miniature that is registered is offered, drawn from, diagnosed, and found by trainings of it."""

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from toys.miniature import toy_miniature
from uncollapse.cli.app import make_app
from uncollapse.miniature import MINIATURES
from uncollapse.trajectory import Trajectory, read_trajectory, write_trajectory

TITLE = "the toy miniature"


@pytest.fixture(autouse=True)
def toy(tmp_path, monkeypatch):
    made = toy_miniature(tmp_path / "toy", name="toy", title=TITLE)
    monkeypatch.setitem(MINIATURES, "toy", made)
    return made


def run(*arguments):
    result = CliRunner().invoke(make_app(), list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result


def test_the_help_names_it():
    result = CliRunner().invoke(make_app(), ["demo", "--help"], env={"COLUMNS": "200"})
    assert "Which bundled model: unet, toy;" in result.output


def test_the_demo_draws_with_it_and_says_so(tmp_path):
    run("demo", "--miniature", "toy", "--prompts", 1, "--seeds", 1, "-o", tmp_path / "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["run"]["model"] == TITLE
    assert "--miniature toy" in results["run"]["command"]
    assert TITLE in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_miniature_that_is_none_is_refused(tmp_path):
    result = CliRunner().invoke(make_app(), ["demo", "--miniature", "third", "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.stderr == "Error: There is no miniature 'third', only 'unet', 'toy'.\n"


def test_generate_compares_its_own_concept(tmp_path):
    options = ["--prompt", "sks cat in the snow", "-n", 1, "--steps", 2, "--compare", "-o", tmp_path / "out"]
    run("generate", "toy", *options)
    [drawn] = (tmp_path / "out").glob("*base*.png")
    settings = json.loads(Image.open(drawn).text["uncollapse"])
    assert (settings["model"], settings["anchor"]) == (TITLE, "cat")
    assert TITLE in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_diagnose_asks_about_its_own_contexts_and_has_it_judged(tmp_path):
    options = ["--no-probe", "--images", 1, "--json", "-o", tmp_path / "out"]
    [found] = json.loads(run("diagnose", "toy", *options).stdout)["diagnoses"]
    assert (found["placeholder"], found["subject"], found["contexts"]) == ("sks cat", TITLE, "9 of test")
    assert "context_kept" in found["pictures"]["figures"]
    assert TITLE in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.thorough
def test_a_training_of_it_is_diagnosed_with_it(diagnosed, tmp_path):
    trained = read_trajectory(diagnosed / "run")
    moved = Trajectory(**{**vars(trained), "base_model": TITLE, "folder": tmp_path})
    for each in trained.checkpoints:
        moved.path(each).parent.mkdir(exist_ok=True)
        moved.path(each).write_bytes(trained.path(each).read_bytes())
    write_trajectory(moved)
    run("diagnose", tmp_path, "--images", 1, "-o", tmp_path / "out")
    saved = json.loads((tmp_path / "out" / "diagnosis.json").read_text(encoding="utf-8"))
    assert [point["step"] for point in saved["points"]] == [0, 1]
    assert all("context_kept" in point["pictures"]["figures"] for point in saved["points"])


def test_a_training_of_it_says_so_and_files_are_read_with_its_words(tmp_path, diagnosed):
    file = diagnosed / "embeddings" / "cat.safetensors"
    assert "× median" in run("inspect", file, "--model", "toy").stdout
    run("bake", file, "--model", TITLE, "--anchor", "cat", "-o", tmp_path / "baked.safetensors")
    assert "<cat>, anchor cat" in run("diagnose", file, "--model", "toy", "-o", tmp_path / "out").stdout
