"""``diagnose`` on an embedding file, a folder of them, a model and a training: what it prints and writes."""

import json
import shlex
import shutil

import pytest
import torch
from PIL import Image

from toys.diagnoses import model_and_lora, run
from toys.miniature import toy_miniature
from toys.outline import Outline
from uncollapse.cli.diagnose import TRIED
from uncollapse.comparison import parse_arm
from uncollapse.concept import Concept
from uncollapse.learned_embeds import LearnedEmbedding, write
from uncollapse.miniature import MINIATURES
from uncollapse.models import load_pipeline
from uncollapse.models.loading import load_lora
from uncollapse.tuning import Preset, family, fingerprints


def test_an_embedding_file(diagnosed, tmp_path):
    file = diagnosed / "embeddings" / "cat.safetensors"
    result = run(file, "--model", diagnosed / "model", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "<cat>, anchor cat: drifted" in result.stdout
    assert "Try α 0.2, β 1.5, anchor “cat”." in result.stdout
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Drifted" in page.text
    assert [figure["id"] for figure in page.all("figure")] == ["norms", "turned"]
    assert len(page.all("svg")) == 2
    for name in ("norms", "turned"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.width > 500
        assert (tmp_path / f"{name}.svg").exists()
    [saved] = json.loads((tmp_path / "diagnosis.json").read_text())["diagnoses"]
    assert saved["verdict"]["word"] == "drifted"
    assert len(saved["tokens"]) == 2


def test_a_file_that_is_not_there_is_said_to_be_missing(diagnosed, tmp_path):
    result = run(tmp_path / "nothere.pt", "--model", diagnosed / "model", "-o", tmp_path)
    assert result.exit_code == 2
    assert "nothere.pt: no such file" in result.stderr


def test_a_folder_of_embeddings(diagnosed, tmp_path):
    result = run(diagnosed / "embeddings", "--model", diagnosed / "model", "--json", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["diagnoses"]
    assert sorted(each["placeholder"] for each in found) == ["<cat>", "<dog>"]
    longest = [max(row["norm_ratio"] for row in each["tokens"]) for each in found]
    assert longest == sorted(longest, reverse=True)  # the worst first
    assert "Skipped: " in result.stderr
    [skipped] = json.loads(result.stdout)["skipped"]
    assert "broken.pt" in skipped
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.text.index("2 of 2 drifted") < page.text.index(f"Skipped: {skipped}")
    assert "Drifted: a vector is longer than 99 % of all words" in page.text
    worst = found[0]["placeholder"].strip("<>")
    arguments = shlex.split(page.text[page.text.index("uncollapse diagnose") :].partition("\n")[0])
    assert arguments[2].endswith(f"{worst}.safetensors")
    assert run(*arguments[2:]).exit_code == 0
    assert (tmp_path / worst / "report.html").exists()
    assert "2 of 2 drifted" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_file_of_another_model_is_skipped_in_a_folder(diagnosed, tmp_path):
    write(tmp_path / "in" / "other.pt", LearnedEmbedding("<t>", {"text_encoder": torch.ones(1, 7)}))
    shutil.copy(diagnosed / "embeddings" / "cat.safetensors", tmp_path / "in")
    result = run(tmp_path / "in", "--model", diagnosed / "model", "--anchor", "cat", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "Skipped: " in result.stderr
    assert "other.pt" in result.stderr
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Diagnosis of “<cat>”" in page.text
    assert "other.pt" in page.text


def test_a_model_with_a_lora(diagnosed, tmp_path):
    arguments = ("--contexts", diagnosed / "contexts.txt", "--paper", "-o", tmp_path)
    result = run(*model_and_lora(diagnosed), *arguments)
    assert result.exit_code == 0, result.output
    assert any(
        f"sks cat, anchor cat: {word}" in result.stdout for word in ("dominating", "healthy", "overlooked")
    )
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [figure["id"] for figure in page.all("figure")] == ["heard", "leak", "sentences"]
    assert "energy distance" in page.text
    assert "Paper's kl: softmaxed" in page.text
    assert "9 vectors span at most 8 of 32 dimensions" in page.text
    assert not page.all("script")


def test_what_is_tried_is_what_tune_would_try_first_and_a_preset_before_it(diagnosed, tmp_path):
    given = (*model_and_lora(diagnosed), "--contexts", diagnosed / "contexts.txt", "-o", tmp_path)
    pipe = load_pipeline(diagnosed / "model")
    load_lora(pipe, diagnosed / "lora")
    concept = Concept("sks cat", "cat")
    likely = [parse_arm(way).name for way in family(pipe, concept)][:TRIED]
    preset = Preset(concept, "lora:text=0.7", fingerprints(pipe, concept)).save(tmp_path / "preset.json")
    [found] = json.loads(run(*given, "--preset", preset, "--json").stdout)["diagnoses"]
    assert list(found["adjusted"]) == ["text LoRA × 0.7", *likely]
    other = Preset(concept, "lora:text=0.7", {"unet": [1.0, 0.0, 0.0]}).save(tmp_path / "other.json")
    result = run(*given, "--preset", other)
    assert result.exit_code == 2
    assert "measured with other weights" in result.stderr
    result = run(*given, "--preset", preset, "--anchor", "dog")
    assert "--anchor is 'dog', and --preset was measured with 'cat'" in " ".join(result.stderr.split())


def test_without_the_denoiser_there_is_no_verdict(diagnosed, tmp_path):
    result = run(
        *model_and_lora(diagnosed), "--contexts", diagnosed / "contexts.txt", "--no-probe", "-o", tmp_path
    )
    assert result.exit_code == 0, result.output
    assert "no verdict" in result.stdout
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.text.index("No verdict") < page.text.index("uncollapse diagnose")
    assert "--no-probe" not in page.text[page.text.index("uncollapse diagnose") :]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (lambda f: (f / "embeddings" / "cat.safetensors",), "is compared with the words of its model"),
        (lambda f: (*model_and_lora(f), "--contexts", f / "long.txt"), "long.txt: line 10 would be cut off"),
        (lambda f: (f / "embeddings" / "broken.pt", "--model", f / "model"), "broken.pt"),
        (lambda f: (f / "lora", "--model", f / "model"), "a folder without an embedding file"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(diagnosed, tmp_path, arguments, said):
    result = run(*arguments(diagnosed), "-o", tmp_path)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_training(diagnosed, tmp_path):
    result = run(diagnosed / "run", "--contexts", diagnosed / "contexts.txt", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "From step 0 to 1 the context heard went from" in " ".join(result.stdout.split())
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [figure["id"] for figure in page.all("figure")] == ["heard", "text"]
    assert page.text.index("at the last step, 1, by the denoiser") < page.text.index("is not known: ")
    assert len(json.loads((tmp_path / "diagnosis.json").read_text())["points"]) == 2
    assert (tmp_path / "heard.png").exists()
    assert "--images 1 --clip CLIP --references PHOTOS" in result.stdout
    assert "--images 1 --clip CLIP --references PHOTOS" in page.text


def test_the_bundled_miniature_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setitem(MINIATURES, "unet", toy_miniature(tmp_path))
    result = run("--json", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    [found] = json.loads(result.stdout)["diagnoses"]
    assert (found["placeholder"], found["subject"]) == ("sks cat", "the bundled miniature")
    assert found["contexts"] == "9 of test"


def test_shipped_sentences_that_the_encoder_would_cut_off_are_left_out(diagnosed, tmp_path):
    result = run(*model_and_lora(diagnosed), "--no-probe", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "sentences are longer than the text encoder's 24 tokens and are left out" in result.stderr
