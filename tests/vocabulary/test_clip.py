"""CLIP's bundled vocabulary: the tokens are those of CLIP's own tokenizer, as open_clip has it."""

import importlib.util

import pytest
import torch
from safetensors.torch import save_file

from toys.tokenizers import make_tokenizer
from toys.word_pairs import ANCHORS, CONTEXTS, PLACEHOLDERS
from uncollapse.vocabulary import load_vocabularies
from uncollapse.vocabulary.clip import TOKENS, bundled_tokenizer, clip_vocabulary

KNOWN = {
    "a photo of a cat": [320, 1125, 539, 320, 2368],
    "man": [786],  # with the end of a word, where "man" within one is 723
    "<|startoftext|><|endoftext|>": [49406, 49407],
}
OTHERS = [
    "A photo of sks cat, in Málaga: 1990's 🐈!",
    "naïve café (100%) <my-cat> [x] !!??",
    "don't  stop\n now, it's they'll've I'd",
    "日本語 の 猫, İstanbul ẞtraße",
    "supercalifragilistic-expialidocious_x2",
]


@pytest.fixture(scope="module")
def judge():
    """CLIP's own tokenizer, without the package around it, which wants torchvision."""
    package = importlib.util.find_spec("open_clip")
    if package is None:
        pytest.skip("CLIP's own tokenizer comes with open_clip_torch")
    path = package.origin.replace("__init__", "tokenizer")
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer()


def test_known_sentences_have_the_ids_that_they_are_known_by():
    for text, ids in KNOWN.items():
        assert bundled_tokenizer().encode(text, add_special_tokens=False).ids == ids


def test_the_ids_are_those_of_clips_own_tokenizer(judge):
    contexts = [text.replace("V", name) for text in CONTEXTS for name in (*ANCHORS[:3], *PLACEHOLDERS)]
    for text in [*contexts, *OTHERS]:
        assert bundled_tokenizer().encode(text, add_special_tokens=False).ids == judge.encode(text), text


def test_every_token_is_there_and_in_its_place(judge):
    vocab, merges = clip_vocabulary()
    theirs = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    assert len(vocab) == TOKENS
    assert vocab == {theirs.get(token, token): i for token, i in judge.encoder.items()}
    assert dict(zip(merges, range(len(merges)), strict=True)) == judge.bpe_ranks


@pytest.mark.parametrize("name", ["clip_l.safetensors", "model.ckpt"])
def test_a_table_of_its_size_needs_no_tokenizer(tmp_path, name):
    table = torch.arange(float(TOKENS)).unsqueeze(1).repeat(1, 2)
    entries = {"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": table}
    if name.endswith("ckpt"):
        torch.save({"epoch": 1, "state_dict": entries}, tmp_path / name)
    else:
        save_file(entries, tmp_path / name)
    [vocabulary] = load_vocabularies(tmp_path / name).values()
    assert vocabulary.anchor_vector("man")[0] == 786
    assert {"cat", "grand", "canyon"} <= set(vocabulary.words)


def test_a_tokenizer_that_was_given_goes_before(tmp_path):
    save_file({"token_embedding.weight": torch.ones(TOKENS, 2)}, tmp_path / "clip_l.safetensors")
    make_tokenizer("cat").save_pretrained(tmp_path / "own")
    [vocabulary] = load_vocabularies(tmp_path / "clip_l.safetensors", tmp_path / "own").values()
    assert vocabulary.words == ["cat"]
