"""Captions have the concept once, fit the window, and what is measured on was not fitted."""

import pytest

from uncollapse.carrying.captions import captions
from uncollapse.errors import PlaceholderError

WORDS = ["snow", "beach", "hat", "red", "under"]


def short(text):
    return len(text.split()) <= 9


def made(seed=0, fits=short):
    return captions("dog", WORDS, fits, 60, 20, seed)


def test_the_concept_is_in_each_once_and_in_several_places():
    found = made()
    assert len(found.fitted) == 60
    assert all(text.count("{}") == 1 and short(text) for text in (*found.fitted, *found.kept_back))
    begins = [text.startswith("{}") for text in found.fitted]
    ends = [text.endswith("{}") for text in found.fitted]
    assert 0 < sum(begins) < 60
    assert 0 < sum(ends) < 60
    own_words = [text for text in found.fitted if set(text.split()) <= {"{}", *WORDS}]
    assert len(own_words) == pytest.approx(30, abs=8)


def test_texts_that_stay_lack_it_and_hold_the_empty_prompt():
    found = made()
    assert len(found.staying) == 61
    assert not any("{}" in text for text in (*found.staying, *found.others))
    assert "" in found.staying
    assert found.others[0] == ""
    assert any("dog" in text.split() for text in found.staying)


def test_what_is_kept_back_is_in_nothing_that_is_fitted():
    found = made()
    tails = {tail for text in found.kept_back if len((tail := text.partition("{} ")[2]).split()) > 4}
    assert len(found.kept_back) == 20
    assert tails
    assert not any(tail in text for tail in tails for text in (*found.fitted, *found.staying))


def test_a_seed_decides():
    assert made(1) == made(1)
    assert made(1) != made(2)


def test_where_no_sentence_fits_random_words_do_and_where_nothing_does_it_is_said():
    few = made(fits=lambda text: len(text.split()) <= 3 and not text.startswith("a "))
    assert all(set(text.split()) <= {"{}", *WORDS} for text in few.kept_back)
    with pytest.raises(PlaceholderError, match="no room for more"):
        made(fits=lambda text: False)
