"""An adjuster, a score and a measure, declared in this file alone, are offered, drawn and reported."""

import json
import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

from toys.diagnoses import model_and_lora
from toys.outline import Outline
from toys.pictures import picture
from toys.registries import as_it_was
from uncollapse.adjusters import ADJUSTERS, Adjuster, registered
from uncollapse.cli.app import make_app
from uncollapse.comparison import MEASURES, Given, Measure, declared
from uncollapse.metrics import SCORES, Score, declare

PROMPT = "a photo of sks cat in the snow"


@pytest.fixture(autouse=True)
def _dummies():
    with as_it_was(ADJUSTERS, SCORES, MEASURES):

        @registered
        @dataclass(frozen=True)
        class Halfway(Adjuster):
            name: ClassVar[str] = "halfway"
            title: ClassVar[str] = "Halfway"

            share_moved: float = 0.5

            def adjust(self, row, anchor, places):
                return row.lerp(anchor.to(row), self.share_moved).to(row.dtype)

        declare(Score("redness", "redness", "0 to 255", answers="context"))
        declare(Score("is_dark", "dark", "% of pictures", answers="quality", share=True))

        @declared("redness", gives=("redness", "is_dark"), help="How red the pictures are")
        def redness(given: Given) -> Measure:
            def measure(images, prompts):
                reds = [float(np.asarray(image)[..., 0].mean()) for image in images]
                return [{"redness": red, "is_dark": red < 128} for red in reds]

            return measure

        @declared("oracle", gives=("redness",), needs=("model", "references"), help="Who is asked")
        def oracle(given: Given) -> Measure:
            return lambda images, prompts: [{"redness": float(len(given.model))} for _ in images]

        yield


def run(command, *arguments):
    result = CliRunner().invoke(make_app(), [command, *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def generate(diagnosed, *arguments):
    short = ("--prompt", PROMPT, "--anchor", "cat", "--steps", 2, "-n", 2)
    return run("generate", *model_and_lora(diagnosed), *short, *arguments)


def words(text):
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("command", ["generate", "diagnose"])
def test_the_help_offers_them(command):
    said = words(run(command, "--help").stdout)
    assert "--redness" in said
    assert "How red the pictures are, for --compare." in said
    assert "--oracle" in said
    assert re.search(r"one of: tea, [\w, ]*\bhalfway\b[\w, ]*\blora\b", said)
    assert "--judge" not in said
    assert "CLIP folder or hub id that scores the images, for --compare." in said


def test_they_are_drawn_told_and_reported(diagnosed, tmp_path):
    result = generate(diagnosed, "--arm", "halfway:share_moved=1", "--redness", "--compare", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    said = words(result.stdout)
    assert "With Halfway" in said
    assert "redness" in said
    assert "redness: 0 to 255." in said
    assert "The personalised model scores " in said
    assert " for redness (base model " in said
    assert "with Halfway the context " in said
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "With Halfway" in page.text
    assert "redness" in page.text
    assert (tmp_path / f"{PROMPT.replace(' ', '-')}-Halfway-seed1.png").exists()
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in results["arms"]] == ["base", "personalised", "Halfway"]
    assert results["arms"][2]["adjustment"] == {"adjuster": "halfway", "share_moved": 1.0}
    assert set(results["records"][0]) == {"arm", "prompt", "context", "seed", "file", "redness", "is_dark"}


def test_they_are_in_a_diagnosis(diagnosed, tmp_path):
    asked = ("--contexts", diagnosed / "contexts.txt", "--images", 1, "--steps", 2, "--no-probe")
    arguments = (*asked, "--arm", "halfway", "--redness", "-o", tmp_path)
    result = run("diagnose", *model_and_lora(diagnosed), *arguments)
    assert result.exit_code == 0, result.output
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "With Halfway" in page.text
    assert "redness" in page.text
    [found] = json.loads((tmp_path / "diagnosis.json").read_text(encoding="utf-8"))["diagnoses"]
    redness = found["pictures"]["figures"]["redness"]
    assert (redness["unit"], redness["source"]) == ("0 to 255", "redness")
    assert set(redness["arms"]) == {"base", "personalised", "Halfway"}


@pytest.mark.thorough
def test_they_are_in_the_diagnosis_of_a_training(diagnosed, tmp_path):
    asked = ("--contexts", diagnosed / "contexts.txt", "--images", 1, "--steps", 2, "--arm", "halfway")
    result = run("diagnose", diagnosed / "run", *asked, "--redness", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "redness: 0 to 255, redness; dark: % of pictures, redness." in page.text


def test_a_measure_gets_the_model_and_the_photos_that_were_named(diagnosed, tmp_path):
    alone = generate(diagnosed, "--oracle", "delphi", "--compare", "-o", tmp_path / "none")
    assert alone.exit_code == 2
    assert "The measure oracle needs photos of the subject" in alone.stderr
    (tmp_path / "photos").mkdir()
    picture("purple").save(tmp_path / "photos" / "1.png")
    asked = ("--contexts", diagnosed / "contexts.txt", "--images", 1, "--steps", 2, "--no-probe", "--json")
    given = ("--oracle", "delphi", "--references", tmp_path / "photos")
    result = run("diagnose", *model_and_lora(diagnosed), *asked, *given, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    [found] = json.loads(result.stdout)["diagnoses"]
    redness = found["pictures"]["figures"]["redness"]
    assert redness["source"] == "delphi, 1 photo"
    assert redness["arms"]["personalised"]["value"] == len("delphi")


@pytest.mark.parametrize(
    ("text", "said"),
    [("quarter", "'quarter' is none of tea, "), ("halfway:speed=1", "halfway has only share_moved")],
)
def test_an_arm_that_there_is_not_is_one_sentence(diagnosed, tmp_path, text, said):
    for command in ("generate", "diagnose"):
        prompt = ("--prompt", PROMPT) if command == "generate" else ()
        result = run(command, *model_and_lora(diagnosed), *prompt, "--arm", text, "-o", tmp_path / "out")
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
        assert not (tmp_path / "out").exists()


def test_the_denoiser_is_asked_about_an_arm(diagnosed, tmp_path):
    asked = ("--contexts", diagnosed / "contexts.txt", "--arm", "halfway:share_moved=1", "-o", tmp_path)
    result = run("diagnose", *model_and_lora(diagnosed), *asked)
    assert result.exit_code == 0, result.output
    [found] = json.loads((tmp_path / "diagnosis.json").read_text(encoding="utf-8"))["diagnoses"]
    assert set(found["adjusted"]) > {"Halfway", "TEA α 0/1/1"}
    assert found["adjusted"]["Halfway"]["heard"]["value"] == pytest.approx(1, abs=0.5)  # it is the plain word
    assert found["probe"]["heard"] != found["adjusted"]["Halfway"]["heard"]
    assert ">Halfway</text>" in (tmp_path / "report.html").read_text(encoding="utf-8")  # beside its bar


@pytest.mark.parametrize("target", ["model", "file"])
def test_an_arm_that_is_neither_asked_nor_drawn_is_said(diagnosed, tmp_path, target):
    if target == "model":
        asked = (*model_and_lora(diagnosed), "--contexts", diagnosed / "contexts.txt", "--no-probe")
    else:
        asked = (
            diagnosed / "embeddings" / "cat.safetensors",
            "--model",
            diagnosed / "model",
            "--anchor",
            "cat",
        )
    result = run("diagnose", *asked, "--arm", "halfway", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "--arm: passed over, since " in result.stderr
