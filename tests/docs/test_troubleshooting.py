"""The page on troubles: what it says of others' errors is so here, with and without the adjustment."""

import uncollapse as uc
from toys.docs import ROOT

TEXT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def error_of(draw):
    try:
        draw()
    except AttributeError as error:
        return str(error)
    return None


def test_clip_skip_fails_or_works_as_without_us(pipe):
    def draw():
        return pipe("a photo of sks cat", num_inference_steps=1, clip_skip=1)

    plain = error_of(draw)
    with uc.apply(pipe, "sks cat", anchor="cat"):
        assert error_of(draw) == plain
    assert plain is None or f"### {plain}" in TEXT
