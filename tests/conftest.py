"""What every test stands on: one thread and pipelines of toy size.

    tokenizer              a CLIP tokenizer of some thirty words; any other text falls into its letters
    pipe                   a StableDiffusionPipeline around it, 16×16 px images in a tenth of a second
    model                  the folder that it is saved to; one for all tests, so nothing writes there
    lora_pipe              the same with a PEFT LoRA in text encoder and U-Net (B is not zero)
    tuned_pipe, base_pipe  a pipeline whose text encoder was changed throughout, and what it was before
    environment            for a Python process of its own

Each but the folder is new for every test, and the same weights every time. ``toys`` holds what they are made
by, and more; a folder's own ``conftest`` holds what its tests share.

The shapes that the modules of ``shapes.CHECKED`` state as jaxtyping types are checked in every test. The
library imports jaxtyping for type checkers alone, so these modules are imported here as by one, before any
test imports them; test_shapes.py sees that the check is on.
"""

from __future__ import annotations

import importlib
import os
import sys
import typing

import diffusers
import hypothesis
import pytest
import torch
import transformers
from jaxtyping import install_import_hook

from toys import shapes
from toys.pipelines import add_lora, make_pipeline
from toys.tokenizers import make_tokenizer

with install_import_hook(shapes.CHECKED, "toys.shapes.shapes_alone"):
    typing.TYPE_CHECKING = True
    try:
        for module in shapes.CHECKED:
            importlib.import_module(module)
    finally:
        typing.TYPE_CHECKING = False

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of processes that a test starts
hypothesis.settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("no deadline")
diffusers.utils.logging.set_verbosity_error()
transformers.utils.logging.set_verbosity_error()


@pytest.fixture
def tokenizer():
    return make_tokenizer()


@pytest.fixture
def pipe():
    return make_pipeline()


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    make_pipeline().save_pretrained(folder)
    return folder


@pytest.fixture
def lora_pipe(pipe):
    add_lora(pipe)
    return pipe


@pytest.fixture
def base_pipe():
    return make_pipeline()


@pytest.fixture
def tuned_pipe():
    tuned = make_pipeline()
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in tuned.text_encoder.encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return tuned


@pytest.fixture
def environment():
    """It imports what is imported here."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
