"""Which model a word means."""

from pathlib import Path

import pytest
import torch

from uncollapse.errors import PipelineError
from uncollapse.miniature import MINIATURES, Miniature
from uncollapse.subjects import chosen_miniature, located, miniature_called, quiet_pipeline
from uncollapse.subjects.models import chosen_dtype

UNET = MINIATURES["unet"]


@pytest.fixture
def second(monkeypatch, tmp_path):
    made = Miniature(tmp_path / "some" / "where" / "data", "second", "the second miniature")
    monkeypatch.setitem(MINIATURES, made.name, made)
    return made


def test_without_a_name_the_first_is_meant(second):
    assert chosen_miniature() is UNET
    assert located(None) == (UNET.model, "the bundled miniature")


@pytest.mark.parametrize("called", ["second", "the second miniature"])
def test_a_miniature_is_called_by_its_name_or_its_title(second, called):
    assert chosen_miniature(called) is second
    assert located(called) == (second.model, "the second miniature")


@pytest.mark.parametrize("written", ["the bundled miniature", "miniature"])
def test_what_manifests_of_today_say_means_the_bundled_one(second, written):
    assert miniature_called(written) is UNET


def test_the_package_may_have_stood_elsewhere(second):
    assert miniature_called(Path("/old/place/uncollapse/miniature/data/model")) is UNET
    assert miniature_called(second.model) is second


@pytest.mark.parametrize("name", ["owner/name", "my-miniature", "miniature/data/model", "Unet"])
def test_other_models_are_what_they_are(name):
    assert miniature_called(name) is None
    assert located(name) == (name, name)


def test_what_exists_is_a_path(tmp_path, monkeypatch):
    (tmp_path / "unet").mkdir()
    monkeypatch.chdir(tmp_path)
    assert located("unet") == ("unet", "unet")


def test_an_unknown_miniature_says_which_there_are(second):
    with pytest.raises(PipelineError, match="There is no miniature 'third', only 'unet', 'second'"):
        chosen_miniature("third")


def test_a_pipeline_by_names_alone_shows_no_bars(model, capfd):
    pipe = quiet_pipeline(model, device="cpu", dtype="bfloat16")
    pipe("a cat", num_inference_steps=1)
    assert pipe.unet.dtype == torch.bfloat16
    assert capfd.readouterr().err == ""


def test_names_of_types():
    assert chosen_dtype("float16") == torch.float16
    assert chosen_dtype(torch.float64) == torch.float64
    assert chosen_dtype(None) is None
    with pytest.raises(PipelineError) as raised:
        chosen_dtype("int4")
    assert str(raised.value) == "dtype int4 is none of float32, float16, bfloat16."
    assert raised.value.settings == ("dtype",)
