"""Text encoders and tokenizers of real pipelines, by their own names and by those that files give them."""

import types

import pytest

from toys.layouts import LAYOUTS
from toys.pipelines import make_pipeline
from toys.whole_pipelines import build
from uncollapse.components import encoders_of, text_encoders, tokenizers, tokens_and_encoders
from uncollapse.errors import PipelineError

OWN = {  # what files call each encoder, and which it is
    "SD": {"text_encoder": ""},
    "SDXL": {"clip_l": "", "clip_g": "_2"},
    "SD3": {"clip_l": "", "clip_g": "_2", "t5xxl": "_3"},
    "Flux": {"clip_l": "", "t5xxl": "_2"},
}
TEMPLATED = LAYOUTS["P p M, template cropped"]  # a language model, then CLIP


@pytest.mark.parametrize("name", OWN)
def test_each_encoder_with_its_tokenizer_under_the_name_of_files(name):
    pipe = build(name)
    found = encoders_of(pipe, "test()")
    assert list(found) == list(OWN[name])
    for key, number in OWN[name].items():
        tokenizer, encoder = found[key]
        assert tokenizer is getattr(pipe, f"tokenizer{number}")
        assert encoder is getattr(pipe, f"text_encoder{number}")
    assert tokens_and_encoders(pipe) == list(found.values())


@pytest.mark.parametrize("name", OWN)
def test_encoders_and_tokenizers_by_their_own_names(name):
    pipe = build(name)
    numbers = list(OWN[name].values())
    assert text_encoders(pipe) == {f"text_encoder{i}": getattr(pipe, f"text_encoder{i}") for i in numbers}
    assert {id(each) for each in tokenizers(pipe)} == {id(getattr(pipe, f"tokenizer{i}")) for i in numbers}


def test_an_encoder_that_files_do_not_know_keeps_its_own_name():
    pipe = TEMPLATED()
    assert list(encoders_of(pipe, "test()")) == ["text_encoder", "clip_l"]


def test_a_third_clip_keeps_its_own_name():
    pipe = build("SD3")
    pipe.text_encoder_3 = pipe.text_encoder
    assert list(encoders_of(pipe, "test()")) == ["clip_l", "clip_g", "text_encoder_3"]


def test_parts_that_are_not_loaded_are_left_out():
    pipe = build("SD3")
    pipe.text_encoder_3 = pipe.tokenizer_2 = None
    assert list(text_encoders(pipe)) == ["text_encoder", "text_encoder_2"]
    assert encoders_of(pipe, "test()") == {"text_encoder": (pipe.tokenizer, pipe.text_encoder)}
    assert tokens_and_encoders(pipe) == [(pipe.tokenizer, pipe.text_encoder)]


def test_a_tokenizer_inside_a_processor_is_found():
    pipe = make_pipeline()
    processor = types.SimpleNamespace(tokenizer=pipe.tokenizer)
    assert tokenizers(types.SimpleNamespace(components={"processor": processor, "vae": pipe.vae})) == [
        pipe.tokenizer
    ]


@pytest.mark.parametrize("caller", ["load_into()", "diagnose", "train()"])
def test_an_error_names_who_asked(caller):
    pipe = make_pipeline()
    pipe.tokenizer = None
    with pytest.raises(PipelineError) as caught:
        encoders_of(pipe, caller)
    assert str(caught.value).startswith(
        f"{caller}: StableDiffusionPipeline has no tokenizer and text encoder loaded"
    )
    with pytest.raises(PipelineError, match="object has no tokenizer"):
        encoders_of(object(), caller)
