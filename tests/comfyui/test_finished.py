"""Conditionings that are there already come out as those that TEA Text Encode makes itself."""

import pytest
import torch

import uncollapse as uc
from toys.comfyui import make_clip
from uncollapse.comfyui.encoding import base_of, encoded
from uncollapse.comfyui.finished import finished
from uncollapse.errors import PipelineError

TEXT, TWIN = "a sks dog in snow", "a dog in snow"
CLIPS = {
    "one encoder": {},
    "two encoders": {"names": ("clip_l", "clip_g")},
    "layers": {"layers": 3},
    "several rows": {"length": 6},
    "a template": {"template": "user says : {} !", "length": None},
}


@pytest.mark.parametrize("settings", CLIPS.values(), ids=CLIPS)
@pytest.mark.parametrize("alpha", [0.4, uc.ByRole(0, 0.9, 0.5)], ids=str)
def test_they_are_paired_as_the_clip_would_pair_them(settings, alpha):
    clip = make_clip(*settings.get("names", ()), **{k: v for k, v in settings.items() if k != "names"})
    tuned, concept = clip.with_lora(0.5), uc.Concept("sks dog", "dog", alpha)
    expected = encoded(tuned, base_of(tuned), TEXT, [concept]).adjusted([concept])
    read = finished(tuned.encode(TEXT), clip.encode(TWIN), tuned, TEXT, [concept])
    torch.testing.assert_close(read.adjusted([concept]), expected)


def test_what_else_a_conditioning_holds_comes_along_untouched():
    clip, concept = make_clip(), uc.Concept("sks dog", "dog", 0.4)
    own, theirs = clip.encode(TEXT), clip.encode(TWIN)
    more = {"guidance": 3.5, "reference_latents": [torch.ones(2, 2)], "mask": torch.ones(3, 3)}
    own[0][1] |= more
    [[_, options]] = finished(own, theirs, clip, TEXT, [concept]).adjusted([concept])
    assert options["guidance"] == 3.5
    assert torch.equal(options["reference_latents"][0], torch.ones(2, 2))
    assert torch.equal(options["mask"], more["mask"])
    assert not torch.equal(options["pooled_output"], own[0][1]["pooled_output"])


def test_weights_stay_those_of_the_node_that_made_them():
    clip, concept = make_clip(), uc.Concept("sks dog", "dog", 0.4, 1.5)
    own, theirs = clip.encode("a (sks dog:1.5) in snow"), clip.encode("a (dog:1.5) in snow")
    [[cond, _]] = finished(own, theirs, clip, "a (sks dog:1.5) in snow", [concept]).adjusted([concept])
    partners = [0, 1, 2, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    torch.testing.assert_close(cond, uc.adjust(own[0][0], theirs[0][0][:, partners], 0.4, 1.5))


def test_another_text_or_another_number_of_parts_is_refused():
    clip, concept = make_clip(template="user says : {} !", length=None), uc.Concept("sks dog", "dog")
    own, theirs = clip.encode(TEXT), clip.encode(TWIN)
    with pytest.raises(PipelineError, match="vectors of the text, but"):
        finished(clip.encode("a sks dog"), theirs, clip, TEXT, [concept])
    with pytest.raises(PipelineError, match="vectors of the anchor text, but"):
        finished(own, clip.encode("a dog"), clip, TEXT, [concept])
    with pytest.raises(PipelineError, match="2 parts and the anchor's 1"):
        finished([*own, *own], theirs, clip, TEXT, [concept])
