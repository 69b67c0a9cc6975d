"""A checkpoint in one file, where a command takes a model. ``generate``, ``train``, ``bake``: tests/docs."""

import json

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from toys.checkpoints import original, sd1
from toys.diagnoses import TEMPLATES
from toys.pipelines import add_lora, save_lora
from uncollapse.cli.app import make_app
from uncollapse.learned_embeds import LearnedEmbedding, write


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


def test_diagnose(files, tmp_path):
    (tmp_path / "contexts.txt").write_text("\n".join(TEMPLATES), encoding="utf-8")
    concept = ["--lora", files / "dog.safetensors", "--placeholder", "sks cat"]
    asked = ["--contexts", tmp_path / "contexts.txt", "--no-probe", "--json", "-o", tmp_path / "out"]
    result = run("diagnose", files / "model.safetensors", *concept, *asked)
    assert result.exit_code == 0, result.output
    [found] = json.loads(result.stdout)["diagnoses"]
    assert found["placeholder"] == "sks cat"


def test_inspect(files):
    result = run("inspect", files / "cat.safetensors", "--model", files / "model.safetensors", "--json")
    [inspected] = json.loads(result.stdout)
    assert len(inspected["vectors"][0]["nearest"]) == 3


def test_what_was_given_for_a_model_is_said(files, tmp_path):
    asked = ["--prompt", "a photo of sks cat", "--placeholder", "sks cat", "-o", tmp_path]
    lora = run("generate", files / "dog.safetensors", *asked)
    assert lora.exit_code == 2
    assert "dog.safetensors' is a LoRA, and no model. Give it with --lora, and" in lora.stderr
    embedding = run("generate", files / "cat.safetensors", *asked)
    assert "cat.safetensors' is an embedding, and no model. Give it with --embedding, and" in embedding.stderr
    gone = run("generate", tmp_path / "gone.ckpt", *asked)
    assert "Give a folder, a hub id such as owner/name, or a single file." in gone.stderr
