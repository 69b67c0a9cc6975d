"""Anchors are suggested in the order in which they can be trusted, with the cosines a plain search finds."""

import pytest
import torch

from toys.pipelines import WIDTH
from toys.tokenizers import make_tokenizer
from uncollapse.learned_embeds import LearnedEmbedding
from uncollapse.vocabulary.suggestions import suggest_anchors
from uncollapse.vocabulary.tables import Vocabulary, load_vocabularies


@pytest.fixture(scope="module")
def vocabularies(model):
    return load_vocabularies(model)


def row_of(vocabularies, word):
    return next(iter(vocabularies.values())).anchor_vector(word)


def suggest(vocabularies, rows, placeholder="<x>", count=5, **metadata):
    embedding = LearnedEmbedding(placeholder, {"text_encoder": rows}, metadata)
    return suggest_anchors(embedding, vocabularies, count)


def test_what_the_file_states_comes_first_then_its_name_then_what_is_near(vocabularies):
    words = torch.stack([row_of(vocabularies, word) for word in ("dog", "beach")])
    cosines = torch.tensor([1.0, 1.2])
    rows = torch.linalg.pinv(words / words.norm(dim=1, keepdim=True)) @ cosines
    found = suggest(vocabularies, rows, "<my-dog>", initialiser="big cat", instance_prompt="zz dog")
    assert [each.origin for each in found[:3]] == ["stated", "name", "nearest"]
    assert [each.anchor for each in found[:3]] == ["big cat", "dog", "beach"]
    assert [each.cosine for each in found[1:3]] == pytest.approx((cosines / rows.norm()).tolist())
    assert not any(each.poor for each in found[1:3])


def test_the_vocabulary_is_not_searched_for_what_the_file_states(vocabularies, monkeypatch):
    rows = row_of(vocabularies, "beach")
    everything = suggest(vocabularies, rows, initialiser="cat")
    monkeypatch.setattr(Vocabulary, "nearest", lambda *_: pytest.fail("searched"))
    assert suggest(vocabularies, rows, initialiser="cat", count=1) == everything[:1]


def test_cosines_are_the_mean_over_vectors_and_encoders(vocabularies):
    [one] = vocabularies.values()
    other = Vocabulary(torch.randn(len(one.token_embeds), 40), one.tokenizer)
    rows = {"clip_l": torch.randn(2, WIDTH), "clip_g": torch.randn(3, 40)}
    found = suggest_anchors(
        LearnedEmbedding("<dog>", rows, {"anchor": "small hat"}), {"clip_l": one, "clip_g": other}
    )
    for each in found:
        means = [
            torch.cosine_similarity(rows[name].double(), v.anchor_vector(each.anchor).double()).mean()
            for name, v in (("clip_l", one), ("clip_g", other))
        ]
        assert each.cosine == pytest.approx(sum(means).item() / 2, abs=1e-5)


def test_what_is_no_nearer_than_chance_is_poor(vocabularies):
    cat = row_of(vocabularies, "cat")
    assert not suggest(vocabularies, cat, anchor="cat")[0].poor
    away = torch.linalg.qr(torch.stack([cat, torch.randn(WIDTH)], 1)).Q[:, 1]
    assert suggest(vocabularies, away, anchor="cat")[0].poor


def test_a_word_of_the_name_that_is_only_chance_comes_after_a_clear_one_that_is_near(vocabularies):
    beach, dog = (row_of(vocabularies, word) for word in ("beach", "dog"))
    rows = beach - (beach @ dog) / (dog @ dog) * dog
    found = suggest(vocabularies, rows, "<my-dog>", count=30)
    assert (found[0].anchor, found[0].origin) == ("beach", "nearest")
    poor = [each for each in found if each.poor]
    assert found[-len(poor) :] == poor
    assert (poor[0].anchor, poor[0].origin) == ("dog", "name")
    assert suggest(vocabularies, rows, "<my-dog>", count=1) == found[:1]
    assert suggest(vocabularies, rows, "<my-dog>", initialiser="dog")[0].anchor == "dog"


def test_words_only_and_as_many_as_asked_for(vocabularies):
    tokenizer = make_tokenizer()
    for count in (1, 4):
        found = suggest(vocabularies, torch.randn(WIDTH), count=count)
        assert len(found) == count
        assert all(len(tokenizer.tokenize(each.anchor)) == 1 for each in found)
