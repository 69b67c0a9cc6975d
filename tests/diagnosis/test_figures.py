"""The figures of an embedding alone are drawn; those of pipelines and trainings are in other files here."""

import pytest
import torch
from PIL import Image

import uncollapse as uc
from toys.pipelines import WIDTH
from uncollapse.diagnosis import diagnose_embeddings, save_diagnosis
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
