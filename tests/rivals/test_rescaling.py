"""Learned rows at the vocabulary's norms, in a pipeline and in a file."""

import numpy as np
import pytest
import torch

import uncollapse as uc
from toys.pipelines import WIDTH, add_token
from uncollapse.adjusters import Places, Role
from uncollapse.baking import bake
from uncollapse.learned_embeds import read, write
from uncollapse.learned_embeds.embedding import LearnedEmbedding
from uncollapse.rivals import Rescale
from uncollapse.vocabulary.tables import vocabularies_of

ROWS = 3 * torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(0))
TO = {"min": np.min, "mean": np.mean, "max": np.max}


@pytest.fixture
def table(pipe):
    """The token table, with a zero row, and a learned token longer than any word."""
    table = pipe.text_encoder.get_input_embeddings().weight.data
    table[7] = 0
    add_token(pipe, "<my-cat>", ROWS)
    add_token(pipe, "<long>", torch.full((1, WIDTH), 1e3))
    return pipe.text_encoder.get_input_embeddings().weight.data


def wanted(pipe, table, to):
    special = {"<|startoftext|>", "<|endoftext|>", "<my-cat>", "<my-cat>_1", "<long>"}
    ids = [i for token, i in pipe.tokenizer.get_vocab().items() if token not in special]
    norms = np.linalg.norm(table[ids].double().numpy(), axis=-1)
    return TO[to](norms[norms > 0])


@pytest.mark.parametrize("to", TO)
def test_rows_keep_their_direction_and_take_the_vocabularys_norm(pipe, table, to):
    ids, length = pipe.tokenizer.convert_tokens_to_ids(["<my-cat>", "<my-cat>_1"]), wanted(pipe, table, to)
    with uc.apply(pipe, "<my-cat>", anchor="cat", adjuster=Rescale(to)):
        found = table[ids].double().numpy()
    learned = ROWS.double().numpy()
    expected = learned / np.linalg.norm(learned, axis=-1, keepdims=True) * length
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert torch.equal(table[ids], ROWS)


def test_a_file_is_baked_with_it(pipe, table, tmp_path):
    write(tmp_path / "cat.safetensors", LearnedEmbedding("<my-cat>", {"text_encoder": ROWS}))
    bake(
        tmp_path / "cat.safetensors", tmp_path / "baked.safetensors", vocabularies_of(pipe), "cat", Rescale()
    )
    [rows] = read(tmp_path / "baked.safetensors").vectors.values()
    np.testing.assert_allclose(rows.norm(dim=-1), wanted(pipe, table, "mean"), rtol=1e-5)


def test_it_is_for_rows_alone_and_knows_nothing_before_it_is_fitted(pipe):
    with pytest.raises(uc.AdjustmentError, match="only for token"):
        uc.Concept("sks cat", "cat", level="prompt", adjuster=Rescale())
    with pytest.raises(uc.AdjustmentError, match="does not know the vocabulary yet"):
        Rescale().adjust(ROWS, ROWS, Places.all(Role.CONCEPT, ROWS))
    with pytest.raises(uc.AdjustmentError, match=r"to='median' is none of min, mean, max"):
        Rescale("median")
