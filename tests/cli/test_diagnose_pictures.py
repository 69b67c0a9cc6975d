"""``diagnose --images``: what is drawn, who measures it, and that an interruption loses nothing."""

import json

import pytest
from typer.testing import CliRunner

from toys.clip import save_clip
from toys.diagnoses import model_and_lora
from toys.diagnoses import run as run_checked
from toys.miniature import toy_miniature
from toys.outline import Outline
from toys.pictures import picture
from uncollapse.cli.app import make_app
from uncollapse.diagnosis.pictures import picture_prompts
from uncollapse.miniature import MINIATURES

SHORT = ("--images", "1", "--steps", "1")


@pytest.fixture
def eyes(tmp_path):
    """A CLIP, and photos of the subject."""
    save_clip(tmp_path / "clip")
    (tmp_path / "photos").mkdir()
    picture("purple").save(tmp_path / "photos" / "1.png")
    return "--clip", tmp_path / "clip", "--references", tmp_path / "photos"


@pytest.fixture
def two_prompts(monkeypatch):
    """In place of eight, which test_a_model_drawn_and_scored sees."""
    module = "uncollapse.cli.diagnose_pictures.picture_prompts"
    monkeypatch.setattr(module, lambda contexts: picture_prompts(contexts, 2))


def saved(folder):
    return json.loads((folder / "diagnosis.json").read_text(encoding="utf-8"))


def test_a_model_drawn_and_scored(diagnosed, eyes, tmp_path):
    arguments = (*model_and_lora(diagnosed), "--contexts", diagnosed / "contexts.txt", *SHORT, *eyes)
    result = run_checked(*arguments, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "Pictures: The personalised model scores a CLIP-T for the context of" in " ".join(
        result.stdout.split()
    )
    [found] = saved(tmp_path / "out")["diagnoses"]
    assert set(found["pictures"]["figures"]) == {
        "clip_t_context", "clip_t_concept", "clip_t_full", "clip_i"
    }  # fmt: skip
    assert str(tmp_path / "clip") in found["pictures"]["figures"]["clip_i"]["source"]
    assert found["pictures"]["figures"]["clip_i"]["source"].endswith("clip, 1 photo")
    assert len(found["pictures"]["prompts"]) == 8
    assert (tmp_path / "out" / "pictures.png").exists()


@pytest.fixture
def miniature(tmp_path, monkeypatch):
    monkeypatch.setitem(MINIATURES, "unet", toy_miniature(tmp_path / "miniature"))


def test_the_miniature_is_judged_without_being_asked(miniature, tmp_path):
    result = run_checked(*SHORT, "--no-probe", "--json", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    [found] = json.loads(result.stdout)["diagnoses"]
    scores = found["pictures"]["figures"]
    assert list(scores)[:2] == ["context_kept", "identity_kept"]
    assert scores["context_kept"]["unit"] == "% of pictures"
    assert scores["context_kept"]["source"] == "the miniature's judge, its own cat"
    assert scores["clip_i"]["source"] == "the miniature's CLIP, 2 photos"
    assert set(scores["clip_i"]["arms"]) == {
        "base",
        "personalised",
    }  # no verdict, so no adjustment is proposed


@pytest.mark.thorough
@pytest.mark.usefixtures("two_prompts")
def test_a_training_drawn(diagnosed, eyes, tmp_path):
    arguments = (
        diagnosed / "run",
        "--contexts",
        diagnosed / "contexts.txt",
        *SHORT,
        *eyes,
        "--anchor",
        "dog",
    )
    result = run_checked(*arguments, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "--anchor: passed over" in result.stderr
    page = Outline((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    quoted, aside = ["clip_t_context", "clip_i"], ["clip_t_concept", "clip_t_full"]
    shown = [figure["id"] for figure in page.all("figure")]
    assert shown == ["heard", *quoted, "filmstrip", *aside, "text"]
    assert "Keep step " in page.text
    assert "keeps the most: S_T^p, context" in " ".join(result.stdout.split())
    assert (tmp_path / "out" / "filmstrip.png").exists()


def test_a_file_draws_nothing(diagnosed, tmp_path):
    file = diagnosed / "embeddings" / "cat.safetensors"
    result = run_checked(file, "--model", diagnosed / "model", "--images", "1", "-o", tmp_path)
    assert result.exit_code == 2
    assert "give the model, and the file with --embedding" in result.stderr


@pytest.mark.thorough
@pytest.mark.usefixtures("two_prompts")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("out of memory")])
def test_what_was_measured_outlives_the_drawing(diagnosed, tmp_path, monkeypatch, error):
    from uncollapse.cli import diagnose

    whole = diagnose.draw_pictures

    def broken(*args, **kwargs):
        yield next(whole(*args, **kwargs))
        raise error

    monkeypatch.setattr(diagnose, "draw_pictures", broken)
    arguments = (*model_and_lora(diagnosed), "--contexts", diagnosed / "contexts.txt", *SHORT, "-o", tmp_path)
    result = CliRunner().invoke(make_app(), ["diagnose", *map(str, arguments)])
    assert result.exit_code != 0
    [found] = saved(tmp_path)["diagnoses"]
    assert found["probe"]["heard"]["value"] is not None
    assert found["prompts"]["text_encoder"]["pooled"]["value"] > 0
    assert [arm["name"] for arm in found["pictures"]["arms"]] == ["base"]
    assert found["notes"][-1].startswith("Stopped before all was done: ")
    assert "Stopped before all was done" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_text_outlives_an_interrupted_probe(diagnosed, tmp_path, monkeypatch):
    def pressed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("uncollapse.diagnosis.diagnose.base_response", pressed)
    arguments = (*model_and_lora(diagnosed), "--contexts", diagnosed / "contexts.txt", "-o", tmp_path)
    result = CliRunner().invoke(make_app(), ["diagnose", *map(str, arguments)])
    assert result.exit_code != 0
    [found] = saved(tmp_path)["diagnoses"]
    assert found["prompts"]["text_encoder"]["pooled"]["value"] > 0
    assert (found["probe"], found["notes"]) == (None, ["Stopped before all was done: interrupted."])


def test_checkpoints_outlive_an_interruption(diagnosed, tmp_path, monkeypatch):
    from uncollapse.diagnosis import training

    ask, calls = training.arm_response, []

    def pressed(*args, **kwargs):
        calls.append(1)
        if len(calls) > 2:  # unadjusted and adjusted, of the first
            raise KeyboardInterrupt
        return ask(*args, **kwargs)

    monkeypatch.setattr(training, "arm_response", pressed)
    arguments = (diagnosed / "run", "--contexts", diagnosed / "contexts.txt", "-o", tmp_path)
    result = CliRunner().invoke(make_app(), ["diagnose", *map(str, arguments)])
    assert result.exit_code != 0
    found = saved(tmp_path)
    assert [point["step"] for point in found["points"]] == [0]
    assert found["notes"] == ["Stopped before all was done: interrupted."]
