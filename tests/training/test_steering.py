"""The steering loss and its words, against the formula written out in float64."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from toys.whole_pipelines import build
from uncollapse.training.families import noise_levels
from uncollapse.training.steering import PREPOSITIONS, basis_rows, steering_loss

CAPTIONS = ["a photo of cat <R> Hat", "a dog <r> a bridge", "two cats <R> xyz"]


def infonce(rows, positives, negatives, temperature):
    """Word by word, in Python's own numbers."""
    losses = []
    for row in rows.double().numpy():

        def weight(other, row=row):
            other = other.double().numpy()
            return math.exp(row @ other / (np.linalg.norm(row) * np.linalg.norm(other)) / temperature)

        toward, away = sum(map(weight, positives)), sum(map(weight, negatives))
        losses.append(-math.log(toward / (toward + away)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize("vectors", [1, 3])
def test_it_is_infonce_over_cosines(vectors, temperature):
    draws = torch.Generator().manual_seed(0)
    rows, positives, negatives = (torch.randn(n, 6, generator=draws) for n in (vectors, 5, 4))
    found = steering_loss(rows, positives, negatives, temperature)
    expected = infonce(rows, positives, negatives, temperature)
    assert found.item() == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert steering_loss(rows, positives, negatives[:0], temperature).item() == 0


def test_its_gradient_leads_toward_the_prepositions_and_takes_only_the_rows():
    axes = torch.eye(3)
    rows = torch.tensor([[0.1, 0.1, 1.0]], requires_grad=True)
    steering_loss(rows, axes[:1], axes[1:2], 0.07).backward()
    assert rows.grad[0, 0] < 0 < rows.grad[0, 1]


@pytest.mark.parametrize("family", ["SD", "SDXL"])
def test_the_words_are_prepositions_and_the_exemplars_things(family):
    """Of what the toy tokenizer has as words: "two" and "a" name nothing; "xyz" falls into three letters."""
    pipe = build(family)
    encoders = {"SD": ["text_encoder"], "SDXL": ["text_encoder", "text_encoder_2"]}[family]
    basis = basis_rows(pipe, CAPTIONS, "<R>")
    assert len(basis) == len(encoders)
    for name, (positives, negatives) in zip(encoders, basis.values(), strict=True):
        tokenizer = getattr(pipe, name.replace("text_encoder", "tokenizer"))
        table = getattr(pipe, name).get_input_embeddings().weight

        def ids(words, tokenizer=tokenizer):
            return {i for word in words for i in tokenizer(word, add_special_tokens=False).input_ids}

        def found(rows, table=table):
            return {int((table == row).all(1).nonzero()[0]) for row in rows}

        assert found(positives) == ids(["of", "in", "on", "near", "with", "under", "by"])
        assert found(negatives) == ids(["photo", "cat", "hat", "dog", "bridge", "cats", "xyz"])
        assert not positives.requires_grad


def test_the_prepositions_are_words_and_each_is_there_once():
    assert len(set(PREPOSITIONS)) == len(PREPOSITIONS) > 40
    assert all(word.isalpha() and word.islower() for word in PREPOSITIONS)


@pytest.mark.parametrize("focus", [0.5, 1.0])
def test_high_noise_levels_come_as_often_as_the_density_says(focus):
    """Over ten equal ranges, by its integral: F(t) = t/T − a/π·sin(πt/T)."""
    t = noise_levels(1000, 50_000, focus, torch.Generator().manual_seed(0)).numpy()
    edges = np.linspace(0, 1000, 11)
    observed = np.histogram(t, edges)[0]
    cumulative = edges / 1000 - focus / np.pi * np.sin(np.pi * edges / 1000)
    assert stats.chisquare(observed, 50_000 * np.diff(cumulative)).pvalue > 1e-3
    assert t.min() >= 0
    assert t.max() <= 999


def test_without_focus_all_levels_are_alike():
    t = noise_levels(10, 50_000, 0.0, torch.Generator().manual_seed(0))
    assert stats.chisquare(torch.bincount(t, minlength=10).numpy()).pvalue > 1e-3
