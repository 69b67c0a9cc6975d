"""The parts of real pipelines, of classes that name and combine them differently."""

import types

import pytest
import torch

from toys.layouts import LAYOUTS
from toys.pipelines import make_pipeline
from toys.whole_pipelines import build
from uncollapse.components import DENOISERS, denoiser, inner_pipelines, modules


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SD", {"vae", "text_encoder", "unet"}),
        ("SDXL", {"vae", "text_encoder", "text_encoder_2", "unet"}),
        ("SD3", {"vae", "text_encoder", "text_encoder_2", "text_encoder_3", "transformer"}),
        ("Flux", {"vae", "text_encoder", "text_encoder_2", "transformer"}),
    ],
)
def test_the_networks_of_a_pipeline_under_their_own_names(name, expected):
    pipe = build(name)
    found = modules(pipe)
    assert set(found) == expected
    assert all(found[each] is getattr(pipe, each) for each in expected)
    assert all(isinstance(part, torch.nn.Module) for part in found.values())


@pytest.mark.parametrize(("name", "its"), [("SD", "unet"), ("SDXL", "unet"), ("Flux", "transformer")])
def test_the_denoiser_is_found_whatever_it_is_called(name, its):
    pipe = build(name)
    assert its in DENOISERS
    assert denoiser(pipe) is getattr(pipe, its)
    setattr(pipe, its, None)
    assert denoiser(pipe) is None


def test_a_pipeline_without_a_denoiser_has_none():
    assert denoiser(LAYOUTS["P M, template, unpadded"]()) is None
    assert denoiser(types.SimpleNamespace(components={})) is None


def test_what_a_combined_pipeline_is_made_of():
    one, two = make_pipeline(), make_pipeline()
    both = types.SimpleNamespace(prior_pipe=one, decoder_pipe=two, other=one, empty_pipe=object())
    assert inner_pipelines(both) == {"prior_pipe": one, "decoder_pipe": two}
    assert inner_pipelines(one) == {}


def test_what_is_no_pipeline_has_no_parts():
    assert modules(object()) == {}
    assert inner_pipelines(object()) == {}
