"""An anchor's tokens are those of a prompt, and its vector is theirs."""

import pytest
import torch
from transformers import Qwen2Tokenizer

from toys.tokenizers import make_tokenizer
from uncollapse.anchors import anchor_token_ids, anchor_vector, check_anchor
from uncollapse.errors import AnchorError


def test_the_token_is_the_one_a_prompt_has_not_the_vocabularys():
    tokenizer = make_tokenizer("a photo of in snow man mane")  # so that "man" is also a piece, of "mane"
    in_a_prompt = tokenizer("a photo of man in snow")["input_ids"][4]
    assert anchor_token_ids(tokenizer, "man") == [in_a_prompt]
    assert tokenizer.convert_ids_to_tokens(in_a_prompt) == "man</w>"
    assert tokenizer.convert_tokens_to_ids("man") not in (in_a_prompt, tokenizer.unk_token_id)


def test_a_byte_level_tokenizer_gives_the_token_after_a_space():
    letters = ["d", "o", "g", "a", "Ġ"]
    vocab = {token: i for i, token in enumerate([*letters, "do", "dog", "Ġdog", "<|endoftext|>"])}
    merges = [("d", "o"), ("do", "g"), ("Ġ", "dog")]
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=merges)
    assert tokenizer.convert_ids_to_tokens(anchor_token_ids(tokenizer, "dog")) == ["Ġdog"]


def test_phrases_have_all_their_tokens_and_no_specials(tokenizer):
    ids = anchor_token_ids(tokenizer, "small dog")
    assert ids == tokenizer("small dog", add_special_tokens=False)["input_ids"]
    assert not set(ids) & set(tokenizer.all_special_ids)
    assert anchor_token_ids(tokenizer, " Small  dog ") == ids


def test_text_without_a_token_is_refused(tokenizer):
    with pytest.raises(AnchorError, match="knows no token"):
        anchor_token_ids(tokenizer, "<|endoftext|>")


def test_the_vector_of_one_token_is_its_row():
    table = torch.randn(10, 8, dtype=torch.float16)
    assert torch.equal(anchor_vector(table, [3]), table[3].float())


def test_the_vector_of_a_phrase_has_the_mean_direction_and_the_mean_norm():
    table = torch.randn(10, 64, dtype=torch.float64)
    c = anchor_vector(table, [1, 4, 7])
    mean = table[[1, 4, 7]].mean(0)
    torch.testing.assert_close(c / c.norm(), mean / mean.norm())
    torch.testing.assert_close(c.norm(), table[[1, 4, 7]].norm(dim=-1).mean())
    assert mean.norm() < 0.8 * c.norm()  # what the plain mean would have lost


def test_a_vector_that_points_nowhere_is_refused():
    table = torch.tensor([[0.0, 0.0], [1.0, 2.0], [-1.0, -2.0], [torch.nan, 1.0]])
    for ids in ([0], [1, 2], [3]):
        with pytest.raises(AnchorError, match="nothing to move toward"):
            anchor_vector(table, ids)


@pytest.mark.parametrize("anchor", ["", "  ", None, 3])
def test_an_empty_anchor_is_refused(anchor):
    with pytest.raises(AnchorError, match="nothing to move toward"):
        check_anchor(anchor, "sks cat")


@pytest.mark.parametrize("anchor", ["sks cat", "SKS  Cat", "a sks cat", "sks cat in snow"])
def test_an_anchor_that_holds_the_placeholder_is_refused(anchor):
    with pytest.raises(AnchorError, match="toward itself"):
        check_anchor(anchor, "sks cat")


def test_the_placeholder_may_hold_the_anchor():
    check_anchor("cat", "sks cat")
    check_anchor("cats", "cat")
