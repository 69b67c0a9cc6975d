"""A tokenizer is found beside its table, and gives the tokens that transformers gives."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from toys.tokenizers import make_tokenizer
from uncollapse.vocabulary import load_vocabularies

WORDS = "cat man manor"


def old_files(tokenizer, folder):
    """CLIP's vocab.json and merges.txt, as Stable Diffusion's repositories have them."""
    folder.mkdir(exist_ok=True)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    return folder


def test_each_table_takes_the_largest_tokenizer_that_fits(tmp_path):
    small, large = make_tokenizer("cat"), make_tokenizer()
    for name, tokenizer in (("small", small), ("large", large)):
        tokenizer.save_pretrained(tmp_path / name)
        save_file({"shared.weight": torch.ones(len(tokenizer), 2)}, tmp_path / f"{name}.safetensors")
    tokenizers = [tmp_path / "small", tmp_path / "large" / "tokenizer.json"]
    for name, expected in (("small", small), ("large", large)):
        [vocabulary] = load_vocabularies(tmp_path / f"{name}.safetensors", tokenizers).values()
        assert vocabulary.tokenizer.get_vocab_size() == len(expected)


texts = st.text() | st.lists(st.sampled_from(["Cat's", "MAN", "a  b", "<|endoftext|>", "día"])).map(" ".join)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A tokenizer, and the vocabulary that is found beside its older files."""
    tokenizer = make_tokenizer(WORDS)
    folder = old_files(tokenizer, tmp_path_factory.mktemp("old"))
    save_file({"token_embedding.weight": torch.ones(len(tokenizer), 2)}, folder / "model.safetensors")
    [vocabulary] = load_vocabularies(folder).values()
    return tokenizer, vocabulary


@given(text=texts)
def test_the_older_files_give_the_tokens_that_transformers_gives(old, text):
    tokenizer, vocabulary = old
    ours = vocabulary.tokenizer.encode(text, add_special_tokens=False).ids
    assert ours == tokenizer(text, add_special_tokens=False)["input_ids"]
