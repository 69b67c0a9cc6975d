"""Every pipeline class of diffusers that encodes text keeps the contract of apply(), by its own method.

A class that a new release of diffusers brings is met here first. ``NOT_BUILT`` lists those that no fake
reaches, ``QUOTED`` those that encode nothing of a prompt but what stands in quotes.
"""

import warnings

import pytest
import torch

import uncollapse as uc
from toys.every_class import classes, encode, working
from uncollapse.pipelines import prompt_level
from uncollapse.pipelines.encode_step import tensors_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # deprecated classes are built too, and say so
    pytest.mark.filterwarnings("ignore:.*paired by what their vectors look like"),  # see BY_RESEMBLANCE
]

PROMPT, TWIN = "a photo of {sks cat} in the snow", "a photo of {big dog} in the snow"

QUOTED = {"GlmImagePipeline"}
LEFT_ALONE = {
    "GlmImagePipeline": "an anchor as long as the placeholder, by a tokenizer that places no characters"
}
BY_RESEMBLANCE = {
    "JoyImageEditPipeline": "reads the encoder's last layer by a hook",
    "JoyImageEditPlusPipeline": "likewise",
}
NOT_BUILT = {
    "AudioLDM2Pipeline": "runs a language model's generation loop by its inner methods",
    "HunyuanVideoImageToVideoPipeline": "needs a vision-language model that takes real pictures",
    "Ideogram4Pipeline": "calls the layers of its encoder one by one",
    "LongCatImageEditPipeline": "counts the image tokens of a real processor",
    "QwenImage21Pipeline": "calls the layers of its encoder one by one",
}
NO_TORCH = "numpy arrays from an ONNX encoder: refused by apply()"
OLD = {
    "MusicLDMPipeline": "expects of CLAP what transformers 5 no longer returns",
    "SanaWMLTX2Refiner": "needs its connectors",
    "VQDiffusionPipeline": "needs its learned embeddings",
    "VersatileDiffusionImageVariationPipeline": "encodes pictures, no text",
}


def every_class():
    for cls in classes():
        name = cls.__name__
        why = NOT_BUILT.get(name) or OLD.get(name) or (NO_TORCH if "Onnx" in name else "")
        yield pytest.param(cls, id=name, marks=[pytest.mark.skip(why)] if why else [])


def test_nearly_every_class_is_covered():
    ours = [cls.__name__ for cls in classes() if hasattr(cls, "encode_prompt")]
    assert len(ours) >= 232
    assert len(set(ours) - NOT_BUILT.keys()) >= 226


@pytest.mark.parametrize("cls", [*every_class()])
def test_the_contract(cls, monkeypatch):
    by_resemblance, paired = prompt_level.by_resemblance, []
    monkeypatch.setattr(
        prompt_level, "by_resemblance", lambda *a: paired.append("by resemblance") or by_resemblance(*a)
    )
    quotes = '""' if cls.__name__ in QUOTED else ("", "")
    prompt, twin = (text.replace("{", quotes[0]).replace("}", quotes[1]) for text in (PROMPT, TWIN))
    pipe = working(cls, prompt)
    attributes = dict(vars(pipe))
    if cls.__name__ in LEFT_ALONE:
        warnings.filterwarnings("ignore", ".*tokens stay as they are")

    def encoded(text, copies=1):
        return tensors_in(encode(pipe, text, "sks cat", copies))

    plain, anchor, anchor_twice = encoded(prompt), encoded(twin), encoded(twin, copies=2)
    with uc.apply(pipe, "sks cat", anchor="big dog", alpha=0, beta=None):
        assert_same(encoded(prompt), plain)
    with uc.apply(pipe, "sks cat", anchor="big dog", alpha=1, beta=1):
        if cls.__name__ in LEFT_ALONE:
            with pytest.warns(uc.UncollapseWarning, match="tokens stay as they are"):
                encoded(prompt)
        else:
            assert_close(encoded(prompt), anchor)
            assert_close(encoded(prompt, copies=2), anchor_twice)
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=0.4, beta=1.5):
        shorter = encoded(prompt)
    assert [t.shape for t in shorter] == [t.shape for t in plain]
    assert [t.dtype for t in shorter] == [t.dtype for t in plain]
    moved = [not torch.equal(one, two) for one, two in zip(plain, shorter, strict=True)]
    follows = [not torch.equal(one, two) for one, two in zip(plain, anchor, strict=True)]
    assert any(moved)
    assert moved == [x and t.is_floating_point() for x, t in zip(follows, plain, strict=True)]
    assert vars(pipe) == attributes
    assert_same(encoded(prompt), plain)
    assert bool(paired) == (cls.__name__ in BY_RESEMBLANCE)


def assert_same(ones, twos):
    assert all(torch.equal(one, two) for one, two in zip(ones, twos, strict=True))


def assert_close(ones, twos):
    for one, two in zip(ones, twos, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)
