"""A checkpoint in one file, wherever a command takes a model."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from toys.checkpoints import original, sd1
from toys.diagnoses import TEMPLATES
from toys.pipelines import add_lora, save_lora
from toys.trainings import make_photos
from uncollapse.cli.app import make_app
from uncollapse.learned_embeds import LearnedEmbedding, read, write
from uncollapse.trajectory import read_trajectory

SMALL = ["--height", 16, "--width", 16, "--steps", 2, "-n", 1]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A checkpoint, and a LoRA and an embedding for it."""
    folder = tmp_path_factory.mktemp("checkpoint")
    pipe = sd1()
    save_file(original(pipe), folder / "model.safetensors")
    add_lora(pipe)
    save_lora(pipe, folder / "lora").rename(folder / "dog.safetensors")
    torch.manual_seed(3)
    write(folder / "cat.safetensors", LearnedEmbedding("<my-cat>", {"text_encoder": 9 * torch.randn(1, 64)}))
    return folder


def run(*arguments):
    return CliRunner().invoke(make_app(), list(map(str, arguments)))


def test_generate(files, tmp_path):
    concept = ["--lora", files / "dog.safetensors", "--placeholder", "sks cat"]
    result = run(
        "generate",
        files / "model.safetensors",
        *concept,
        "--prompt",
        "a photo of sks cat",
        *SMALL,
        "-o",
        tmp_path,
    )
    assert result.exit_code == 0, result.output
    pictures = list(tmp_path.rglob("*.png"))
    assert pictures
    for picture in pictures:
        with Image.open(picture) as opened:
            assert opened.size == (16, 16)


def test_train(files, tmp_path):
    photos = make_photos(tmp_path / "photos")
    concept = ["--placeholder", "<my-cat>", "--class-word", "cat", "--batch-size", 1, "--resolution", 16]
    model = ["--model", files / "model.safetensors"]
    steps = ["--steps", 1, "--checkpoint-steps", "0,1"]
    out = tmp_path / "out"
    result = run("train", "textual-inversion", photos, *model, *concept, *steps, "-o", out)
    assert result.exit_code == 0, result.output
    assert read_trajectory(out).base_model == str(files / "model.safetensors")
    assert read(out).vectors["text_encoder"].shape == (1, 64)


def test_diagnose(files, tmp_path):
    (tmp_path / "contexts.txt").write_text("\n".join(TEMPLATES), encoding="utf-8")
    concept = ["--lora", files / "dog.safetensors", "--placeholder", "sks cat"]
    asked = ["--contexts", tmp_path / "contexts.txt", "--no-probe", "--json", "-o", tmp_path / "out"]
    result = run("diagnose", files / "model.safetensors", *concept, *asked)
    assert result.exit_code == 0, result.output
    [found] = json.loads(result.stdout)["diagnoses"]
    assert found["placeholder"] == "sks cat"


def test_bake_and_inspect(files, tmp_path):
    cat, model = files / "cat.safetensors", ["--model", files / "model.safetensors"]
    result = run("bake", cat, *model, "--anchor", "cat", "-o", tmp_path / "baked.safetensors")
    assert result.exit_code == 0, result.output
    assert read(tmp_path / "baked.safetensors").metadata["uncollapse.anchor"] == "cat"
    inspected = json.loads(run("inspect", cat, *model, "--json").stdout)
    assert len(inspected[0]["vectors"][0]["nearest"]) == 3


def test_what_was_given_for_a_model_is_said(files, tmp_path):
    asked = ["--prompt", "a photo of sks cat", "--placeholder", "sks cat", "-o", tmp_path]
    lora = run("generate", files / "dog.safetensors", *asked)
    assert lora.exit_code == 2
    assert "dog.safetensors' is a LoRA, and no model. Give it with --lora, and" in lora.stderr
    embedding = run("generate", files / "cat.safetensors", *asked)
    assert "cat.safetensors' is an embedding, and no model. Give it with --embedding, and" in embedding.stderr
    gone = run("generate", tmp_path / "gone.ckpt", *asked)
    assert "Give a folder, a hub id such as owner/name, or a single file." in gone.stderr
