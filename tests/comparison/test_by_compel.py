"""Compel's weighting as a way to draw, beside what people type into Compel."""

import sys

import compel
import numpy as np
import pytest
import torch

from toys.comparisons import CONCEPT
from toys.layouts import flux
from toys.pipelines import add_token, encode, generate
from uncollapse.comparison import parse_arm
from uncollapse.concept import Concept
from uncollapse.errors import PipelineError, UncollapseError


def typed(pipe, text):
    with torch.no_grad():
        return compel.Compel(tokenizer=pipe.tokenizer, text_encoder=pipe.text_encoder)(text)


@pytest.mark.parametrize("times", [0.6, 1.0, 1.3])
def test_it_is_what_one_types_into_compel(lora_pipe, times):
    prompts = ["a photo of sks cat in the snow", "sks cat near sks cat", "a red hat"]
    wanted = typed(
        lora_pipe,
        [f"a photo of (sks cat){times} in the snow", f"(sks cat){times} near (sks cat){times}", prompts[2]],
    )
    negative = encode(lora_pipe, prompts, ["a dog"] * 3)[1]
    with parse_arm(f"compel:times={times}").drawing(lora_pipe, CONCEPT) as drawer:
        found = encode(drawer, prompts, ["a dog"] * 3)
    torch.testing.assert_close(found[0], wanted, atol=1e-5, rtol=0)
    assert torch.equal(found[1], negative)


def test_it_draws_and_leaves_the_pipeline_as_it_was(lora_pipe):
    prompt = "a photo of sks cat (red, in the snow)++"  # nothing of which is Compel's to read
    plain = generate(lora_pipe, prompt)
    with parse_arm("compel:times=0.3").drawing(lora_pipe, CONCEPT) as drawer:
        assert not np.allclose(generate(drawer, prompt), plain, atol=1e-4)
    with parse_arm("compel:times=1").drawing(lora_pipe, CONCEPT) as drawer:
        np.testing.assert_allclose(generate(drawer, prompt), plain, atol=1e-4)
    assert torch.equal(generate(lora_pipe, prompt), plain)


def test_every_vector_of_a_learned_token_is_weighed(pipe):
    add_token(pipe, "<t>", torch.randn(2, 32, generator=torch.Generator().manual_seed(5)))
    with parse_arm("compel:times=0.5").drawing(pipe, Concept("<t>", "cat")) as drawer:
        found = encode(drawer, "a photo of <t> on a beach")[0]
    torch.testing.assert_close(found, typed(pipe, "a photo of (<t> <t>_1)0.5 on a beach"), atol=1e-5, rtol=0)


def test_what_it_cannot_do_is_said(pipe, monkeypatch):
    arm = parse_arm("compel")
    assert (arm.name, arm.altered, arm.as_json()["compel"]) == ("Compel weight 0.8", True, 0.8)
    with pytest.raises(PipelineError, match="FluxPipeline has clip_l, t5xxl"), arm.drawing(flux(), CONCEPT):
        pass
    monkeypatch.setitem(sys.modules, "compel", None)
    with pytest.raises(UncollapseError, match="pip install compel"), arm.drawing(pipe, CONCEPT):
        pass
