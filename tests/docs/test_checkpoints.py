"""The page on models in one file: all that it shows runs, and the folder made of one is the same model."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from toys.checkpoints import drawn, original, sd1
from toys.docs import blocks, run_commands
from toys.pipelines import add_lora, save_lora
from toys.trainings import make_photos
from uncollapse.learned_embeds import LearnedEmbedding, read, write
from uncollapse.models import load_pipeline

SMALLER = {
    "generate": "--steps 1 -n 1 --height 16 --width 16",
    "train": "--steps 1 --batch-size 1 --resolution 16",
    "bake": "",
}


@pytest.fixture
def reader(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pipe = sd1()
    save_file(original(pipe), "model.safetensors")
    write("my-cat.safetensors", LearnedEmbedding("<my-cat>", {"text_encoder": torch.randn(1, 64)}))
    make_photos(Path("photos"))
    add_lora(pipe)
    save_lora(pipe, Path("lora")).rename("my-dog.safetensors")


def test_the_page(reader):
    for language, text in blocks("docs/checkpoints.md"):
        if language == "python":
            names = {}
            exec(text, names)
        else:
            for line in text.replace("\\\n", " ").splitlines():
                run_commands(f"{line} {SMALLER[line.split()[1]]}")
    assert list(Path("out").glob("*.png"))
    assert read("my-dog").placeholder == "<my-dog>"
    assert read("my-cat-tea.safetensors").metadata["uncollapse.anchor"] == "cat"
    assert torch.equal(drawn(names["pipe"]), drawn(load_pipeline("model")))
