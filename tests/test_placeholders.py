"""Where a placeholder is in a prompt, where it only seems to be, and which tokens are behind it."""

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from toys.pipelines import add_token
from toys.tokenizers import make_tokenizer
from uncollapse.placeholders import learned_tokens, mentions, substitute, token_names


@pytest.mark.parametrize(
    "text",
    [
        "sks cat",
        "a photo of sks cat",
        "Sks Cat.",
        "(sks cat)",
        "sks cat's hat",
        "a sks  cat,snow",
        "sks-cat sks cat",
        "一只sks cat在雪中",
    ],
)
def test_a_phrase_is_found_as_words_of_its_own(text):
    assert mentions(text, "sks cat")


@pytest.mark.parametrize("text", ["sks cats", "asks cat", "sks", "cat sks", "sks_cat", "", "sks cat2"])
def test_a_phrase_is_not_found_inside_other_words(text):
    assert not mentions(text, "sks cat")


@pytest.mark.parametrize("text", ["embedding:cat", "a (embedding:cat:1.2), b", "x embedding:cat, y"])
def test_comfyuis_embeddings_end_where_their_name_does(text):
    assert mentions(text, "embedding:cat")
    assert not mentions(text.replace("cat", "cat-2"), "embedding:cat")
    assert not mentions(text.replace("cat", "cat.v2"), "embedding:cat")


def test_nothing_is_put_in_for_no_phrase():
    assert substitute("a cat", []).new_text == "a cat"


@pytest.mark.parametrize("text", ["<t>", "a<t>b", "(<t>)", "<t> <t>_1", "<T>s"])
def test_a_bracketed_token_needs_no_spaces(text):
    assert mentions(text, "<t>")


@pytest.mark.parametrize("text", ["<t>_1", "<t>_12 x", "< t >", "<tt>"])
def test_the_name_of_another_token_is_not_a_mention(text):
    assert not mentions(text, "<t>")


def test_substitution_says_which_characters_became_which():
    done = substitute("sks cat and sks dog near a cat", [("sks dog", "big dog"), ("sks cat", "cat")])
    assert done.new_text == "cat and big dog near a cat"
    assert done.pairs == (1, 0)
    assert [done.text[slice(*span)] for span in done.spans] == ["sks cat", "sks dog"]
    assert [done.new_text[slice(*span)] for span in done.new_spans] == ["cat", "big dog"]


def test_the_longest_phrase_wins_and_anchors_are_not_searched_again():
    assert substitute("sks cat", [("sks", "x"), ("sks cat", "sks")]).new_text == "sks"
    assert substitute(r"a <*> b", [("<*>", r"\1 \g<0>")]).new_text == r"a \1 \g<0> b"


@given(st.lists(st.sampled_from(["a", "cat", "sks", "sks cat", "cats", ",", "  ", "snow."]), max_size=8))
@example(["sks", "  ", "cats"])
def test_everything_between_the_spans_is_the_same(words):
    done = substitute(" ".join(words), [("sks cat", "a big dog")])

    def between(text, spans):
        edges = [0, *(edge for span in spans for edge in span), len(text)]
        return [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]

    assert between(done.text, done.spans) == between(done.new_text, done.new_spans)
    single_spaced = " ".join(" ".join(words).split())
    assert len(done.spans) == single_spaced.count("sks cat") - single_spaced.count("sks cats")


def test_vectors_are_named_the_way_diffusers_names_them(pipe):
    add_token(pipe, "<t>", torch.ones(3, 32))
    names = token_names("<t>", 3)
    assert names == ["<t>", "<t>_1", "<t>_2"]
    assert pipe.maybe_convert_prompt("<t>", pipe.tokenizer) == " ".join(names)
    assert learned_tokens(pipe.tokenizer, "<t>") == names
    assert learned_tokens(pipe.tokenizer, "<T>") == names


def test_several_tokens_can_be_behind_one_placeholder_or_none(pipe):
    add_token(pipe, "<s0>", torch.ones(1, 32))
    add_token(pipe, "<s1>", torch.ones(1, 32))
    assert learned_tokens(pipe.tokenizer, "<s0><s1>") == ["<s0>", "<s1>"]
    assert learned_tokens(pipe.tokenizer, "<s1> cat") == ["<s1>"]
    assert learned_tokens(make_tokenizer(), "sks cat <|endoftext|>") == []
