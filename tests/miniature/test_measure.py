"""The command that measures a miniature: what it prints, and that it follows what it is told."""

import json

import pytest

from uncollapse.miniature import MINIATURES, quality
from uncollapse.miniature.measure import main
from uncollapse.miniature.pool import held_out_scene


@pytest.fixture
def figures(monkeypatch, capsys):
    monkeypatch.setattr(quality, "STEPS", 1)
    main(MINIATURES["unet"].folder, prompts=1, renders=10)
    return json.loads(capsys.readouterr().out)


def test_it_measures_all_parts_on_as_much_as_it_is_told(figures):
    composition = figures["composition on 1 held-out prompts"]
    asked = held_out_scene(50_000)
    assert (asked.accessory, asked.second) == (None, "car")
    assert set(composition) - {"colour"} == {"subject", "place", "style", "second"}
    assert all(0 <= share <= 1 for share in composition.values())
    assert figures["judge accuracy on 10 held-out renders"]["place"] == 1
    assert figures["CLIP retrieval in batches of 64 held-out pairs"]["complete captions"] > 0.8
    assert figures["autoencoder PSNR on 10 held-out renders, dB"] > 25
    assert figures["package data, MB"] < 35
