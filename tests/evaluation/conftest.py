"""What a run is made of at toy size: two concepts with a LoRA each, a methods.toml, and a run that is drawn.

All for every test, so nothing writes there.
"""

import pytest

from toys import suites as toys
from toys.pipelines import add_lora, make_pipeline, save_lora
from uncollapse.evaluation import Run, plan, read_methods, suites
from uncollapse.models.generation import GenerationSettings

ARMS = ("base", "personalised", "tea:alpha=0.4")
METHODS = """
[base]
model = "model"

[[method]]
name = "LoRA"
kind = "lora"
weights = "loras/{concept}/pytorch_lora_weights.safetensors"
placeholder = "sks {class}"
"""


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """A folder with a model, a suite and a methods.toml."""
    folder = tmp_path_factory.mktemp("bench")
    make_pipeline().save_pretrained(folder / "model")
    for seed, name in enumerate(("tom", "rex"), 1):
        pipe = make_pipeline()
        add_lora(pipe, seed)
        save_lora(pipe, folder / "loras" / name)
    (folder / "suite").mkdir()
    toys.own(folder / "suite")
    (folder / "methods.toml").write_text(METHODS)
    return folder


@pytest.fixture(scope="session")
def make_plan(bench):
    """A plan of it; what is given takes the place of what is usual."""

    def make(**given):
        base, methods = read_methods(bench / "methods.toml")
        usual = {
            "suite": suites.load(bench / "suite"),
            "base": base,
            "methods": methods,
            "arms": ARMS,
            "seeds": (0, 1),
            "settings": GenerationSettings(num_inference_steps=2, batch_size=3),
        }
        return plan(**{**usual, **given})

    return make


@pytest.fixture(scope="session")
def drawn(make_plan, tmp_path_factory):
    """A run that is drawn."""
    run = Run(tmp_path_factory.mktemp("run") / "run", make_plan())
    run.draw()
    return run
