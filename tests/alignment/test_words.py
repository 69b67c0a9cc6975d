"""Word by word: every context word with itself, checked against tokenising each word on its own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import T5Tokenizer

from toys.pipelines import add_token, make_pipeline
from toys.tokenizers import make_tokenizer
from uncollapse.alignment import ALONE, locate, pair_tokens, phrase_of_tokens
from uncollapse.placeholders import substitute, token_names

LENGTH = 40
CLIP = make_tokenizer(max_length=LENGTH)


def make_t5():
    """A SentencePiece-style tokenizer, which counts the space before a word as part of the word."""
    words = ["a", "cat", "dog", "sks", "in", "the", "snow", "near", "big", "hat"]
    letters = "abcdefghijklmnopqrstuvwxyz,.'()<>!"
    pieces = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{w}" for w in words), *letters]
    extra = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(100))]
    return T5Tokenizer(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)] + extra)


def tokenize(tokenizer, text: str, length: int):
    ids = tokenizer(text, padding="max_length", max_length=length, truncation=True).input_ids
    tokens = locate(tokenizer, ids, text)
    assert tokens.ids == tuple(ids)
    return tokens


def paired(tokenizer, prompt: str, *pairs: tuple[str, str], length: int = LENGTH):
    """((prompt token, anchor token or None), …) without padding."""
    words = substitute(prompt, pairs)
    one, two = tokenize(tokenizer, words.text, length), tokenize(tokenizer, words.new_text, length)
    partners = pair_tokens(one, words.spans, two, words.new_spans)
    name = tokenizer.convert_ids_to_tokens
    return [
        (name(one.ids[i]), None if j == ALONE else name(two.ids[j]))
        for i, j in enumerate(partners)
        if not one.padding[i]
    ]


def same(*tokens: str):
    return [(token, token) for token in tokens]


BOS, EOS = same("<|startoftext|>"), same("<|endoftext|>")


def test_a_shorter_anchor_shifts_nothing():
    assert paired(CLIP, "a sks cat near a cat in snow", ("sks cat", "cat")) == [
        *BOS, *same("a</w>"), ("sks</w>", "cat</w>"), ("cat</w>", "cat</w>"),
        *same("near</w>", "a</w>", "cat</w>", "in</w>", "snow</w>"), *EOS,
    ]  # fmt: skip


def test_a_longer_anchor_gives_its_last_word_to_the_last_token():
    assert paired(CLIP, "sks in snow", ("sks", "a small dog")) == [
        *BOS, ("sks</w>", "dog</w>"), *same("in</w>", "snow</w>"), *EOS,
    ]  # fmt: skip
    assert paired(CLIP, "snow, sks cat", ("sks cat", "a small dog")) == [
        *BOS, *same("snow</w>", ",</w>"), ("sks</w>", "small</w>"), ("cat</w>", "dog</w>"), *EOS,
    ]  # fmt: skip


def test_several_concepts_and_several_mentions():
    found = paired(CLIP, "sks cat and sks dog and sks cat", ("sks cat", "cat"), ("sks dog", "a big dog"))
    assert found == [
        *BOS, ("sks</w>", "cat</w>"), ("cat</w>", "cat</w>"), *same("and</w>"),
        ("sks</w>", "big</w>"), ("dog</w>", "dog</w>"), *same("and</w>"),
        ("sks</w>", "cat</w>"), ("cat</w>", "cat</w>"), *EOS,
    ]  # fmt: skip


def test_case_spaces_and_punctuation_do_not_matter():
    assert paired(CLIP, "A  (Sks  Cat), Snow!", ("sks cat", "dog")) == [
        *BOS, *same("a</w>", "(</w>"), ("sks</w>", "dog</w>"), ("cat</w>", "dog</w>"),
        (")", ")"), (",</w>", ",</w>"), *same("snow</w>", "!</w>"), *EOS,
    ]  # fmt: skip


def test_every_vector_of_a_learned_token_has_a_partner():
    pipe = make_pipeline(tokenizer=make_tokenizer(max_length=LENGTH))
    add_token(pipe, "<t>", torch.ones(3, 32))
    spelled = " ".join(token_names("<t>", 3))
    prompt = pipe.maybe_convert_prompt("a (<t>), near<t>", pipe.tokenizer)
    found = paired(pipe.tokenizer, prompt, (spelled, "small dog"))
    vectors = [("<t>", "small</w>"), ("<t>_1", "dog</w>"), ("<t>_2", "dog</w>")]
    assert [pair for pair in found if pair[0].startswith("<t>")] == vectors * 2
    assert all(one == two for one, two in found if not one.startswith("<t>") and two)
    # The paren glued to a learned token and to a word is the same character, whatever its token.
    assert [pair[0] for pair in found if pair[1] is None] == []


def test_words_cut_off_in_the_twin_are_left_alone_and_the_others_kept():
    found = paired(CLIP, "a cat near sks", ("a", "big big big"), length=6)
    assert found == [
        *BOS,
        ("a</w>", "big</w>"),
        ("cat</w>", "cat</w>"),
        ("near</w>", None),
        ("sks</w>", None),
        *EOS,
    ]


def test_padding_goes_with_padding_at_its_place_or_the_nearest():
    words = substitute("sks in snow", [("sks", "a big dog")])
    one, two = tokenize(CLIP, words.text, 12), tokenize(CLIP, words.new_text, 12)
    partners = pair_tokens(one, words.spans, two, words.new_spans)
    assert [i for i in range(12) if one.padding[i]] == [5, 6, 7, 8, 9, 10, 11]
    assert partners[4:] == [6, 7, 7, 7, 8, 9, 10, 11]  # EOS with EOS, then padding
    back = pair_tokens(two, words.new_spans, one, words.spans)
    assert back[6:] == [4, 7, 8, 9, 10, 11]


def test_padding_without_any_in_the_twin_is_left_alone():
    words = substitute("sks", [("sks", "a big dog near snow")])
    one, two = tokenize(CLIP, words.text, 6), tokenize(CLIP, words.new_text, 6)
    assert not any(two.padding)
    assert pair_tokens(one, words.spans, two, words.new_spans)[3:] == [ALONE] * 3


def test_the_same_text_pairs_position_by_position():
    tokens = tokenize(CLIP, "a photo of a cat, 雪 and snow", LENGTH)
    assert pair_tokens(tokens, [], tokens, []) == list(range(LENGTH))


def test_tokens_know_their_phrase():
    words = substitute("a sks cat and sks dog", [("sks dog", "dog"), ("sks cat", "cat")])
    tokens = tokenize(CLIP, words.text, 10)
    assert phrase_of_tokens(tokens, words.spans) == [-1, -1, 0, 0, -1, 1, 1, -1, -1, -1]


contexts = st.sampled_from(
    [
        "a",
        "the",
        "cat",
        "snow",
        "near",
        "hat",
        "Canyon",
        "unseen",
        ",",
        "(",
        "'s",
        "cats",
        "12",
        "é",
        "雪",
        "<x>",
        "!?",
    ]
)
anchors = st.lists(
    st.sampled_from(["cat", "dog", "small", "carved", "by", "a", "zebra"]), min_size=1, max_size=4
)


@pytest.mark.thorough
@settings(max_examples=300)
@given(
    st.lists(contexts | st.just("V*") | st.just("W*"), max_size=10),
    anchors,
    anchors,
    st.sampled_from(["right", "left"]),
)
def test_all_context_words_are_paired_with_themselves(words, first, second, side):
    """The judge knows no characters: it tokenises each word alone and counts."""
    phrases = {"V*": ("sks cat", " ".join(first)), "W*": ("qrx", " ".join(second))}
    prompt = " ".join(phrases[word][0] if word in phrases else word for word in words)
    tokenizer = make_tokenizer(max_length=200)
    tokenizer.padding_side = side
    done = substitute(prompt, list(phrases.values()))
    one, two = tokenize(tokenizer, done.text, 200), tokenize(tokenizer, done.new_text, 200)

    def places(which: int) -> list[tuple[int, int, int]]:
        spelled = [phrases[word][which] if word in phrases else word for word in words]
        counts = [len(tokenizer.tokenize(text)) for text in spelled]
        return [(number, piece, count) for number, count in enumerate(counts) for piece in range(count)]

    start_one, start_two = (tokens.special.index(False) if words else 0 for tokens in (one, two))
    partners = pair_tokens(one, done.spans, two, done.new_spans)
    where = {place[:2]: start_two + i for i, place in enumerate(places(1))}
    for i, (number, piece, count) in enumerate(places(0)):
        partner = partners[start_one + i]
        if words[number] not in phrases:
            assert partner == where[number, piece]
            assert one.ids[start_one + i] == two.ids[partner]
        elif piece == count - 1:
            last = max(p for n, p in where if n == number)
            assert partner == where[number, last]
    assert ALONE not in partners
    for i, partner in enumerate(partners):
        assert one.special[i] == two.special[partner]
        assert one.padding[i] == two.padding[partner]


@settings(max_examples=100)
@given(st.lists(contexts | st.just("sks"), min_size=1, max_size=8), anchors)
def test_sentencepiece_pairs_as_well(words, anchor):
    tokenizer = make_t5()
    found = paired(tokenizer, " ".join(words), ("sks", " ".join(anchor)), length=150)
    context = [pair for pair, phrase in zip(found, _in_phrase(tokenizer, words), strict=True) if not phrase]
    assert all(one == two for one, two in context)


def _in_phrase(tokenizer, words):
    tokens = tokenize(tokenizer, " ".join(words), 150)
    done = substitute(" ".join(words), [("sks", "x")])
    phrases = phrase_of_tokens(tokens, done.spans)
    return [phrase != ALONE for phrase, padding in zip(phrases, tokens.padding, strict=True) if not padding]


@pytest.mark.parametrize("prompt", ["sks", "sks in snow", "a big sks", "near the sks hat"])
def test_start_middle_and_end(prompt):
    found = paired(CLIP, prompt, ("sks", "carved by"))
    assert [(one, two) for one, two in found if one != two] == [("sks</w>", "by</w>")]
