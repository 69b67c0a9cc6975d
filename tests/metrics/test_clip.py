"""The formulas against numpy in float64, the scorer against a plain use of the model."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from toys.clip import make_clip
from toys.pictures import SIZE, picture
from uncollapse.errors import FileFormatError
from uncollapse.metrics import ClipScorer, Preprocessing, clip_i, clip_t


def numpy_cosine(a, b):
    return 100 * float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(2, 40))
def test_clip_t_is_a_hundred_cosines(seed, images, dim):
    rng = np.random.default_rng(seed)
    x, t = rng.normal(size=(images, dim)), rng.normal(size=(images, dim))
    expected = [numpy_cosine(a, b) for a, b in zip(x, t, strict=True)]
    assert clip_t(torch.tensor(x), torch.tensor(t)).numpy() == pytest.approx(expected, abs=1e-3)


def test_one_text_serves_all_images_and_half_precision_is_computed_in_full():
    x, t = torch.randn(3, 64), torch.randn(64)
    assert clip_t(x.half(), t.half()).dtype == torch.float32
    torch.testing.assert_close(clip_t(x, t), clip_t(x, t.expand(3, 64)))


def test_clip_i_is_the_mean_over_reference_photos():
    rng = np.random.default_rng(0)
    x, r = rng.normal(size=(3, 20)), rng.normal(size=(4, 20))
    expected = [np.mean([numpy_cosine(a, b) for b in r]) for a in x]
    assert clip_i(torch.tensor(x), torch.tensor(r)).numpy() == pytest.approx(expected, abs=1e-3)


def test_an_image_scores_100_with_itself_and_a_zero_vector_0():
    x = torch.randn(2, 8)
    torch.testing.assert_close(clip_i(x[:1], x[:1]), torch.tensor([100.0]))
    assert clip_t(torch.zeros(1, 8), x[:1]).item() == 0


@pytest.fixture
def scorer():
    model, tokenizer = make_clip()
    return ClipScorer(model, tokenizer, Preprocessing(SIZE, SIZE))


def test_text_features_do_not_depend_on_the_batch(scorer):
    texts = ["a cat", "a photo of a cat in the snow", "a word that is not in it " * 20]
    together = scorer.text_features(texts)
    alone = torch.cat([scorer.text_features([text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_features_are_the_models_projections(scorer):
    images = [picture("red"), picture("blue", 40)]
    output = scorer.model(
        pixel_values=scorer.pixels(images), **scorer.tokenizer(["a cat"], return_tensors="pt")
    )
    cosines = clip_t(scorer.image_features(images), scorer.text_features(["a cat"])[0])
    torch.testing.assert_close(cosines, 100 * output.logits_per_image[:, 0] / scorer.model.logit_scale.exp())


def test_a_scorer_loads_from_a_folder(tmp_path, scorer):
    scorer.model.save_pretrained(tmp_path)
    scorer.tokenizer.save_pretrained(tmp_path)
    config = {
        "crop_size": {"height": SIZE, "width": SIZE},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [1, 1, 1],
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    loaded = ClipScorer.from_pretrained(tmp_path)
    assert loaded.pixels == Preprocessing(SIZE, SIZE, "bicubic", (0.4, 0.5, 0.6), (1, 1, 1))
    torch.testing.assert_close(loaded.text_features(["a cat"]), scorer.text_features(["a cat"]))


def test_a_folder_that_is_no_clip_is_named(tmp_path):
    with pytest.raises(FileFormatError, match=r"does not load as a CLIP model"):
        ClipScorer.from_pretrained(tmp_path)
