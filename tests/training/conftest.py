"""Class images are drawn in two steps, as what they show is no test's business."""

import functools

import pytest

from uncollapse.models.generation import GenerationSettings
from uncollapse.training import prior


@pytest.fixture(autouse=True)
def few_steps():
    settings = functools.partial(GenerationSettings, num_inference_steps=2)
    with pytest.MonkeyPatch.context() as patched:  # of its own: a test's own ends before this
        patched.setattr(prior, "GenerationSettings", settings)
        yield
