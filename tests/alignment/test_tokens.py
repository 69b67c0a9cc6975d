"""What rows say, and where their tokens are, with padding at the ends and within."""

import pytest

from toys.layouts import make_qwen_tokenizer
from uncollapse.alignment import locate, text_of

BEFORE, AFTER = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def qwen():
    return make_qwen_tokenizer()


def row_of(tokenizer, prompt, pads, after=AFTER):
    """A prompt in its template, which goes on after the padding."""
    before, end = (tokenizer(text).input_ids for text in (BEFORE + prompt, after))
    return [*before, *[tokenizer.pad_token_id] * pads, *end]


@pytest.mark.parametrize("pads", [0, 1, 5])
def test_a_text_goes_on_after_the_padding(qwen, pads):
    row = row_of(qwen, "a photo of sks cat", pads)
    text = text_of(qwen, row, inner_padding=True)
    assert text == "user\na photo of sks cat" + AFTER  # without the special token that it begins with
    tokens = locate(qwen, row, text, inner_padding=True)
    assert tokens.ids == tuple(row)
    assert list(tokens.padding) == [i == qwen.pad_token_id for i in row]
    assert list(tokens.special) == [True, *tokens.padding[1:]]
    covered = [text[a:b] for a, b in zip(tokens.starts, tokens.ends, strict=True)]
    assert "".join(covered) == text.replace(" ", "")
    assert tokens.all_placed


def test_padding_within_is_looked_for_only_where_it_is_asked_for(qwen):
    row = row_of(qwen, "a photo", 3)
    assert text_of(qwen, row).count(qwen.pad_token) == 3
    assert locate(qwen, row, text_of(qwen, row, inner_padding=True)) is None


def test_a_row_of_nothing_but_padding_says_nothing(qwen):
    for inner_padding in (False, True):
        assert text_of(qwen, [qwen.pad_token_id] * 3, inner_padding) == ""
        tokens = locate(qwen, [qwen.pad_token_id] * 3, "", inner_padding=inner_padding)
        assert tokens.padding == tokens.special == (True,) * 3
