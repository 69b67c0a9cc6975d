"""Whole generations on toy pipelines of several layouts: the pictures are those that they should be."""

import pytest
import torch

import uncollapse as uc
from toys.whole_pipelines import BUILDERS, build, draw

PROMPT, TWIN = "a photo of sks cat in the snow", "a photo of big dog in the snow"


@pytest.fixture(scope="module", params=BUILDERS)
def pipe(request):
    return build(request.param)


def test_the_picture_moves_from_the_prompts_to_the_anchors(pipe):
    plain, twin = draw(pipe, PROMPT), draw(pipe, TWIN)
    assert not torch.equal(plain, twin)
    with uc.apply(pipe, "sks cat", anchor="big dog", alpha=0, beta=None):
        assert torch.equal(draw(pipe, PROMPT), plain)
    with uc.apply(pipe, "sks cat", anchor="big dog", alpha=1, beta=1):
        torch.testing.assert_close(draw(pipe, PROMPT), twin, atol=1e-5, rtol=0)
    with uc.apply(pipe, "sks cat", anchor="big dog", alpha=0.4):
        halfway = draw(pipe, [PROMPT, TWIN])
    assert not torch.equal(halfway[0], plain[0])
    torch.testing.assert_close(halfway[1:], draw(pipe, [PROMPT, TWIN])[1:], atol=1e-6, rtol=0)
    assert torch.equal(draw(pipe, PROMPT), plain)
