"""Trainings to diagnose, and when figures are drawn."""

from contextlib import nullcontext

import pytest
import torch
from safetensors.torch import load_file, save_file

from toys.figures import sketched
from toys.pipelines import WIDTH, add_lora, make_pipeline, save_lora
from uncollapse.learned_embeds import LearnedEmbedding, write
from uncollapse.trajectory import Checkpoint, Trajectory


@pytest.fixture
def drawn():
    """Figures as readers see them: asked for where every kind is drawn at least once."""


@pytest.fixture(autouse=True)
def figures_are_sketched(request):
    with nullcontext() if "drawn" in request.fixturenames else sketched():
        yield


@pytest.fixture
def trainings(tmp_path):
    """Two trainings of toys, a LoRA and an embedding of two vectors, at four steps each."""
    tuned = make_pipeline()
    add_lora(tuned)
    weights = load_file(save_lora(tuned, tmp_path / "whole"))
    torch.manual_seed(4)
    rows = torch.randn(2, WIDTH)
    for i in range(4):
        scaled = {k: v * i / 3 if "lora_B" in k or "lora.up" in k else v for k, v in weights.items()}
        save_file(scaled, tmp_path / f"lora{i}.safetensors")
        write(tmp_path / f"ti{i}.safetensors", LearnedEmbedding("<t>", {"text_encoder": (i + 1) * rows}))

    def of(method, placeholder, stem):
        steps = tuple(Checkpoint(100 * i, f"{stem}{i}.safetensors", norm=float(i)) for i in range(4))
        return Trajectory(tmp_path, method, placeholder, "cat", "toy", steps)

    return of("dreambooth-lora", "sks cat", "lora"), of("textual-inversion", "<t>", "ti")
