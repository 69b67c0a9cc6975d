"""Preprocessing against transformers' own processors, bit for bit, and torch's bilinear against Pillow's."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from uncollapse.metrics import Preprocessing

SIZES = [(41, 30), (30, 41), (37, 37), (19, 64)]
HALF = ([0.5] * 3, [0.5] * 3)


def noise(size, mode="RGB"):
    width, height = size
    channels = len(mode)
    return Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8), mode
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with the configuration of a processor, as its model is published."""

    def saved(processor):
        (tmp_path / "preprocessor_config.json").write_text(processor.to_json_string())
        return tmp_path

    return saved


@pytest.mark.parametrize(
    "processor",
    [
        CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        CLIPImageProcessorPil(size=16, crop_size=16),
        BitImageProcessorPil(size={"shortest_edge": 18}, crop_size={"height": 15, "width": 15}),
        SiglipImageProcessorPil(size={"height": 16, "width": 16}),
    ],
    ids=["CLIP", "of plain numbers", "an odd crop of a larger side", "squashed"],
)
def test_it_is_transformers_own_bit_for_bit(processor, folder):
    ours = Preprocessing.from_pretrained(folder(processor))
    for size in SIZES:
        for mode in ("RGB", "RGBA"):
            theirs = processor(noise(size, mode), return_tensors="pt").pixel_values
            assert torch.equal(ours([noise(size, mode)]), theirs), (size, mode)


def test_a_picture_does_not_depend_on_its_batch():
    ours = Preprocessing(16, 16)
    together = ours([noise(size) for size in SIZES])
    assert torch.equal(together, torch.cat([ours([noise(size)]) for size in SIZES]))


def test_torchs_bilinear_filter_is_pillows_within_a_level():
    plain = dict(short=16, crop=16, mean=(0.0,) * 3, std=(1 / 255,) * 3)
    pillow, tensor = (Preprocessing(resample=name, **plain) for name in ("bilinear", "bilinear-tensor"))
    for size in SIZES:
        difference = (pillow([noise(size)]) - tensor([noise(size)])).abs().max()
        assert difference < 1.01


def test_only_the_centre_of_a_wide_picture_is_seen():
    wide = Image.new("RGB", (60, 20), "black")
    wide.paste("white", (20, 0, 40, 20))
    pixels = Preprocessing(8, 8, "bicubic", (0.5, 0.5, 0.5), (0.25, 0.5, 1.0))([wide])
    assert pixels.shape == (1, 3, 8, 8)
    torch.testing.assert_close(pixels[0, :, 4, 4], torch.tensor([2.0, 1.0, 0.5]))


def test_what_is_told_differs_where_the_figures_do():
    several = [
        Preprocessing(),
        Preprocessing(256),
        Preprocessing(224, None),
        Preprocessing(resample="bilinear"),
        Preprocessing(resample="bilinear-tensor"),
    ]
    assert len({each.id for each in several}) == len(several)


def test_a_crop_that_does_not_fit_is_refused(tmp_path):
    config = {"size": 16, "crop_size": 224, "image_mean": HALF[0], "image_std": HALF[1]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="a crop of 224 pixels does not fit into a short side of 16"):
        Preprocessing.from_pretrained(tmp_path)
