"""Words are the tokens that a prompt reaches by typing them, in each kind of vocabulary."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from toys.tokenizers import make_tokenizer
from uncollapse.vocabulary import Vocabulary, vocabularies_of


def test_words_are_words_and_not_pieces_of_them():
    spelled = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    words = [
        "".join(piece for piece, _ in spelled(w)) for w in ("man", "manor", "it's", "día", "кот", "12", "😀")
    ]
    tokenizer = make_tokenizer(" ".join(words))
    tokenizer.add_tokens(["<t>", "added"])
    vocabulary = Vocabulary(torch.randn(len(tokenizer), 4), tokenizer.backend_tokenizer)
    assert sorted(vocabulary.words) == sorted(["man", "manor", "día", "кот"])


@pytest.mark.parametrize(("mark", "scheme"), [("▁", "always"), ("Ġ", None)])
def test_words_of_other_vocabularies_begin_with_their_mark(mark, scheme):
    pieces = ["cat", f"{mark}cat", f"{mark}a", f"{mark},", mark, "s", f"{mark}dogs", "<pad>", f"{mark}Cat"]
    tokenizer = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<pad>"))
    if scheme:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocabulary = Vocabulary(torch.randn(len(pieces), 4), tokenizer)
    assert vocabulary.words == ["cat", "dogs", "Cat"]
    assert torch.equal(vocabulary.anchor_vector("cat"), vocabulary.token_embeds[1])


def test_a_pipeline_that_has_encoded_prompts_still_has_its_words(pipe):
    before = vocabularies_of(pipe)["text_encoder"].words
    pipe.tokenizer("a cat", padding="max_length")  # what encode_prompt does first
    assert vocabularies_of(pipe)["text_encoder"].words == before
