"""What the protocols ask for is there, in real pipelines, tokenizers and text encoders of many kinds."""

import typing

import pytest

from toys.layouts import LAYOUTS
from toys.whole_pipelines import build
from uncollapse.components import (
    Pipeline,
    TextEncoder,
    Tokenizer,
    TokenizesText,
    encoders_of,
    tokens_and_encoders,
)


def asked_of(protocol: type) -> set[str]:
    """The names that a protocol declares, its bases' included."""
    own = {
        name for base in protocol.__mro__ for name in (*vars(base), *vars(base).get("__annotations__", ()))
    }
    return {name for name in own - set(dir(typing.Protocol)) if not name.startswith("_")} | {"__call__"}


def make(name):
    return LAYOUTS["P M, template, unpadded"]() if name == "templated" else build(name)


@pytest.mark.parametrize("name", ["SD", "SDXL", "SD3", "Flux", "PixArt", "templated"])
def test_real_parts_have_what_is_asked_of_them(name):
    pipe = make(name)
    assert asked_of(Pipeline) == {"components", "__call__"}
    assert [each for each in asked_of(Pipeline) if not hasattr(pipe, each)] == []
    pairs = tokens_and_encoders(pipe)
    assert pairs
    for tokenizer, encoder in pairs:
        assert [each for each in asked_of(Tokenizer) if not hasattr(tokenizer, each)] == []
        assert [each for each in asked_of(TextEncoder) if not hasattr(encoder, each)] == []


def test_a_tokenizer_answers_as_the_protocol_says():
    tokenizer, _ = encoders_of(build("SD"), "test()")["text_encoder"]
    encoded = tokenizer("a cat", add_special_tokens=False, return_offsets_mapping=True)
    assert set(encoded) >= {"input_ids", "offset_mapping"}
    assert asked_of(TokenizesText) < asked_of(Tokenizer)
    assert len(tokenizer) == len(tokenizer.get_vocab())
