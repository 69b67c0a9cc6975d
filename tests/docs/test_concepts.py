"""The page on several concepts: its examples run, and what it claims holds."""

import re

import pytest
import torch

import uncollapse as uc
from toys.docs import ROOT
from toys.pipelines import encode, make_pipeline

PAGE = ROOT / "docs" / "several-concepts.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def names():
    pipe = make_pipeline()
    pipe.set_progress_bar_config(disable=True)
    return {"uc": uc, "pipe": pipe}


def test_the_examples_run(names):
    assert len(EXAMPLES) == 2
    for example in EXAMPLES:
        exec(compile(example, str(PAGE), "exec"), names)
    assert len(names["images"]) == 3
    assert names["image"].size == (16, 16)


def test_each_prompt_follows_the_concepts_it_mentions(names):
    exec(compile(EXAMPLES[0], str(PAGE), "exec"), names)
    pipe, concepts = names["pipe"], names["concepts"]
    both, one, none = "a photo of sks cat near a qrx car", "a photo of sks cat in the snow", "a red car"
    plain = [encode(pipe, text)[0] for text in (both, one, none)]
    with uc.apply(pipe, concepts):
        together = encode(pipe, [both, one, none])[0]
    with uc.apply(pipe, concepts[0]):
        alone = encode(pipe, [one])[0]
    assert torch.equal(together[2], plain[2][0])
    torch.testing.assert_close(together[1], alone[0], atol=1e-6, rtol=0)
    assert not torch.equal(together[0], plain[0][0])


@pytest.mark.parametrize("text", ["a photo of sks cats", "a photo of asks cat"])
def test_what_is_no_mention(names, text):
    pipe = names["pipe"]
    plain = encode(pipe, text)[0]
    with (
        uc.apply(pipe, "sks cat", anchor="cat"),
        pytest.warns(uc.UncollapseWarning, match="does not mention"),
    ):
        assert torch.equal(encode(pipe, text)[0], plain)


@pytest.mark.parametrize(
    "concepts",
    [
        [uc.Concept("sks cat", "cat"), uc.Concept("SKS  cat", "dog")],
        [uc.Concept("sks cat", "qrx car"), uc.Concept("qrx car", "car")],
        [uc.Concept("sks cat", "cat", anchor_encoder="tuned"), uc.Concept("qrx car", "car")],
    ],
    ids=["one name", "an anchor that is a placeholder", "both anchor encoders"],
)
def test_what_cannot_be_done_says_so(names, concepts):
    before = dict(vars(names["pipe"]))
    with pytest.raises(uc.UncollapseError):
        uc.apply(names["pipe"], concepts)
    assert dict(vars(names["pipe"])) == before
