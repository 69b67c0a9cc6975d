"""Norms, ratios, percentiles and words are what a plain computation gives."""

import numpy as np
import pytest
import torch
from scipy import stats

from toys.pipelines import WIDTH, make_pipeline
from uncollapse.errors import FileFormatError
from uncollapse.learned_embeds import LearnedEmbedding
from uncollapse.vocabulary.inspection import DRIFTED, IN_PLACE, inspect, placed
from uncollapse.vocabulary.tables import Vocabulary, load_vocabularies


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    pipe = make_pipeline()
    with torch.no_grad():
        table = pipe.text_encoder.get_input_embeddings().weight
        table.mul_(torch.linspace(0.5, 2, len(table))[:, None])
    pipe.save_pretrained(folder)
    return load_vocabularies(folder)


def test_rows_are_measured_against_the_words(vocabularies):
    [vocabulary] = vocabularies.values()
    torch.manual_seed(0)
    rows = torch.stack([scale * torch.randn(WIDTH) for scale in (0.01, 0.5, 1, 100)]).half()
    norms = [vocabulary.anchor_vector(word).double().norm().item() for word in vocabulary.words]
    [found] = inspect([LearnedEmbedding("<t>", {"text_encoder": rows})], vocabularies, words=2)
    assert [(each.encoder, each.row) for each in found] == [("text_encoder", i) for i in range(4)]
    for each, row in zip(found, rows.double().numpy(), strict=True):
        assert each.norm == pytest.approx(np.linalg.norm(row), rel=1e-5)
        median = torch.tensor(norms).median().item()  # the lower of two in the middle
        assert each.norm_ratio == pytest.approx(np.linalg.norm(row) / median, rel=1e-5)
        percentile = stats.percentileofscore(norms, np.linalg.norm(row), kind="strict")
        assert each.norm_percentile == pytest.approx(percentile)
        [nearest] = vocabulary.nearest(torch.tensor(row)[None], 2)
        assert [word for word, _ in each.nearest] == [word for word, _ in nearest]
        assert [cosine for _, cosine in each.nearest] == pytest.approx([c for _, c in nearest], abs=1e-5)
    assert found[0].norm_percentile == 0
    assert found[3].norm_percentile == 100


def test_without_a_vocabulary_there_are_norms_alone():
    embedding = LearnedEmbedding("<t>", {"clip_l": torch.ones(2, 4), "clip_g": torch.ones(1, 9)})
    [found] = inspect([embedding])
    assert [(each.encoder, each.row, each.norm) for each in found] == [
        ("clip_l", 0, 2),
        ("clip_l", 1, 2),
        ("clip_g", 0, 3),
    ]
    assert all(
        each.norm_ratio is None and each.norm_percentile is None and not each.nearest for each in found
    )


def test_many_together_are_what_each_is_alone(vocabularies, monkeypatch):
    monkeypatch.setattr("uncollapse.vocabulary.tables.CHUNK", 2)
    torch.manual_seed(1)
    [one] = vocabularies.values()
    two = {"clip_l": one, "clip_g": Vocabulary(torch.randn(len(one.token_embeds), 40), one.tokenizer)}
    vectors = [
        {"clip_l": torch.randn(2, WIDTH), "clip_g": torch.randn(1, 40)},
        {"clip_g": torch.randn(3, 40)},
        {"text_encoder": torch.randn(1, WIDTH).half()},
    ]
    embeddings = [LearnedEmbedding("<t>", each) for each in vectors]
    together = inspect(embeddings, two)
    for embedding, rows in zip(embeddings, together, strict=True):
        [alone] = inspect([embedding], two)
        names = [(name, i) for name, each in embedding.vectors.items() for i in range(len(each))]
        assert sorted((row.encoder, row.row) for row in rows) == sorted(names)
        for row, other in zip(rows, alone, strict=True):
            assert (row.encoder, row.row) == (other.encoder, other.row)
            assert row.norm == pytest.approx(embedding.vectors[row.encoder][row.row].float().norm().item())
            assert [word for word, _ in row.nearest] == [word for word, _ in other.nearest]


def test_an_embedding_of_another_family_is_refused(vocabularies):
    with pytest.raises(FileFormatError, match="1280 components, the width of the second encoder of SDXL"):
        inspect([LearnedEmbedding("<t>", {"text_encoder": torch.ones(1280)})], vocabularies)


@pytest.mark.parametrize(
    ("vectors", "word"),
    [
        ([(100, 0.1, 0.2)], DRIFTED),
        ([(99, 0.2, 0.2)], DRIFTED),
        ([(98.9, 0.1, 0.2)], IN_PLACE),
        ([(100, 0.3, 0.2)], IN_PLACE),
        ([(100, 0.3, 0.2), (50, 0.1, 0.2)], DRIFTED),
        ([(100, 0.3, 0.2), (100, 0.15, 0.1)], IN_PLACE),
    ],
)
def test_drifted_is_long_and_near_nothing(vectors, word):
    assert placed(vectors) == word
