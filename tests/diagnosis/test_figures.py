"""The figures of an embedding alone are drawn, and no label lies on another; those of pipelines and trainings
are drawn in other files here."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

import uncollapse as uc
from toys.pipelines import WIDTH
from uncollapse.diagnosis import diagnose_embeddings, save_diagnosis
from uncollapse.diagnosis.plots import leak, norms
from uncollapse.diagnosis.prompts import PromptDrift
from uncollapse.diagnosis.report import page
from uncollapse.learned_embeds import LearnedEmbedding
from uncollapse.vocabulary.tables import vocabularies_of


@pytest.mark.usefixtures("drawn")
def test_norms_and_angles_of_an_embedding_are_written(pipe, tmp_path):
    embedding = LearnedEmbedding("<t>", {"text_encoder": 9 * torch.randn(2, WIDTH)})
    [found] = diagnose_embeddings([embedding], vocabularies_of(pipe), ["cat"], uc.Adjustment(), ["cat.pt"])
    save_diagnosis([found], tmp_path)
    for name in ("norms", "turned"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.width > 500
        assert (tmp_path / f"{name}.svg").stat().st_size > 1000


def apart(texts):
    """Whether no text lies on its neighbour."""
    boxes = sorted((text.get_window_extent() for text in texts), key=lambda box: box.x0)
    return all(one.x1 < other.x0 for one, other in zip(boxes, boxes[1:], strict=False))


@pytest.mark.parametrize("least", [0.0, 1e-3, 0.05])
def test_the_numbers_of_an_axis_over_many_decades_stand_apart(least):
    values = torch.linspace(least, 0.5, 9)
    vectors = torch.zeros(9, 2)
    figure = leak(PromptDrift(values, values, values, values, vectors, vectors), " (clip_g)")
    figure.draw_without_rendering()
    [axes] = figure.axes
    low, high = axes.get_xlim()
    shown = [
        label for x, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True) if low <= x <= high
    ]
    assert len(shown) > 1
    assert apart(shown)


def test_special_tokens_are_named_below_and_those_of_another_encoder_left_out(pipe):
    embedding = LearnedEmbedding("<t>", {"text_encoder": 9 * torch.randn(1, WIDTH)})
    [found] = diagnose_embeddings([embedding], vocabularies_of(pipe), ["cat"], uc.Adjustment(), ["cat.pt"])
    others = tuple(replace(mark, encoder="other", token="other's") for mark in found.landmarks)
    figure = norms(replace(found, landmarks=found.landmarks + others))
    [legend] = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert {mark.token for mark in found.landmarks} <= set(named)
    assert "other's" not in named
    assert not figure.axes[0].texts
    assert "Special tokens: " in page([found])
    assert "Special tokens" not in page([replace(found, landmarks=())])
