"""Where a reader of the docs stands."""

import pytest
import torch
from diffusers import DDIMScheduler

from toys.figures import sketched
from toys.pipelines import WIDTH, make_pipeline
from uncollapse.learned_embeds import LearnedEmbedding, write


@pytest.fixture(autouse=True)
def figures_are_sketched():
    """They are drawn in tests/diagnosis, every kind of them."""
    with sketched():
        yield


@pytest.fixture(autouse=True)
def pictures_take_few_steps(monkeypatch):
    """Whatever an example asks for, or leaves to the pipeline: what it draws is not looked at."""
    set_timesteps = DDIMScheduler.set_timesteps
    monkeypatch.setattr(
        DDIMScheduler,
        "set_timesteps",
        lambda self, steps, *args, **more: set_timesteps(self, min(steps, 2), *args, **more),
    )


@pytest.fixture
def at_hand(tmp_path, monkeypatch):
    """The files the pages speak of, where the reader stands."""
    make_pipeline().save_pretrained(tmp_path / "path" / "to" / "model")
    torch.manual_seed(0)
    rows = 9 * torch.randn(2, WIDTH)
    write(tmp_path / "my-cat.safetensors", LearnedEmbedding("<my-cat>", {"text_encoder": rows}))
    monkeypatch.chdir(tmp_path)
    return tmp_path
