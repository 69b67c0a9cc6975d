"""Words paired with themselves, through CLIP's real vocabulary and a SentencePiece one, exactly and by guess.

The judge knows no characters: it tokenises each word alone and counts.
"""

import types

import pytest
import torch
from torch.nn.functional import normalize

from toys import layouts
from toys.word_pairs import cases, clip_tokenizer, sentencepiece_tokenizer
from uncollapse.adjusters import Role
from uncollapse.alignment import ALONE, align
from uncollapse.concept import Concept
from uncollapse.pipelines.pairing import pair, same_text

TOKENIZERS = {"CLIP": clip_tokenizer, "SentencePiece": sentencepiece_tokenizer}


def ids_of(tokenizer, words):
    return tokenizer(" ".join(words), padding="max_length", max_length=77, truncation=True).input_ids


def judged(tokenizer, words, placeholder, anchor):
    """(prompt ids, twin ids, partner of each context token as counting says)."""
    ours = [placeholder if word == "V" else word for word in words]
    theirs = [anchor if word == "V" else word for word in words]
    partners, here, there = {}, 0, 0
    first = 1 if tokenizer.bos_token_id is not None else 0
    for word, one, two in zip(words, ours, theirs, strict=True):
        length, other = len(tokenizer.tokenize(one)), len(tokenizer.tokenize(two))
        if word != "V":
            partners |= {first + here + i: first + there + i for i in range(length)}
        here, there = here + length, there + other
    return ids_of(tokenizer, ours), ids_of(tokenizer, theirs), partners


@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_context_word_is_paired_with_itself(name):
    tokenizer = TOKENIZERS[name]()
    pipe = types.SimpleNamespace(components={"tokenizer": tokenizer})
    everything, right, words_seen = 0, 0, cases()
    assert len(words_seen) >= 300
    for words, placeholder, anchor in words_seen:
        prompt, twin, expected = judged(tokenizer, words, placeholder, anchor)
        pairing = pair(pipe, [Concept(placeholder, anchor)], prompt, twin)
        everything += len(expected)
        right += sum(pairing.partners[i] == j for i, j in expected.items())
    assert everything > 2000
    assert right == everything


@pytest.mark.parametrize("name", TOKENIZERS)
def test_resemblance_finds_nearly_all_of_them(name):
    """What happens where no ids can be read: by equal ids, and by the encoder's output alone."""
    tokenizer = TOKENIZERS[name]()
    encoder = layouts.clip(tokenizer) if name == "CLIP" else layouts.t5(tokenizer)
    shares = {"ids": [], "output": []}
    for words, placeholder, anchor in cases()[::3]:
        prompt, twin, expected = judged(tokenizer, words, placeholder, anchor)
        with torch.no_grad():
            one, two = encoder(torch.tensor([prompt, twin])).last_hidden_state
        one, two = (normalize(x - x.mean(0), dim=-1) for x in (one, two))
        found = {
            "ids": align(torch.tensor(prompt)[:, None] == torch.tensor(twin)),
            "output": align(one @ two.T),
        }
        for way, partners in found.items():
            shares[way] += [partners[i] == j for i, j in expected.items()]
    shares = {way: sum(right) / len(right) for way, right in shares.items()}
    print(name, shares)
    assert shares["ids"] > 0.9
    assert shares["output"] > 0.8


def test_tokenizers_without_characters_are_paired_by_their_ids():
    slow = types.SimpleNamespace(components={"tokenizer": types.SimpleNamespace(convert_ids_to_tokens=len)})
    prompt, twin = [9, 1, 2, 50, 51, 3, 4, 8], [9, 1, 2, 60, 3, 4, 8]
    pairing = pair(slow, [Concept("sks", "dog")], prompt, twin)
    partners = pairing.partners
    assert set(pairing.roles) == {Role.REST}
    assert [partners[i] for i in (0, 1, 2, 5, 6, 7)] == [0, 1, 2, 4, 5, 6]
    assert list(partners) == sorted(partners)


TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\nA cat, of the snow:"


def roles_in_template(prompt, texts, concepts=(("sks cat", "dog"),)):
    """The words of the template's prompt that play each role, as Qwen's tokenizer spells them."""
    tokenizer = layouts.make_qwen_tokenizer()
    pipe = types.SimpleNamespace(components={"processor": types.SimpleNamespace(tokenizer=tokenizer)})
    twin = prompt
    for placeholder, anchor in concepts:
        twin = twin.replace(placeholder, anchor)
    ids, other = (tokenizer(TEMPLATE.format(text)).input_ids for text in (prompt, twin))
    pairing = pair(pipe, [Concept(*each) for each in concepts], ids, other, texts)
    assert len(pairing.roles) == len(pairing.owners) == len(ids)
    return {
        role: "".join(
            tokenizer.decode([token]) for token, its in zip(ids, pairing.roles, strict=True) if its == role
        )
        for role in Role
    }


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a photo of sks cat in snow", ["a photo of sks cat in snow"]),
        ("a photo of sks cat in snow", ["A  Photo of\nSKS cat in snow "]),
        (
            "a photo of sks cat in snow",
            ["sks cat", "snow", "a photo of sks cat in snow", "A cat, of the snow:"],
        ),
        ("sks cat", ["sks cat"]),
    ],
)
def test_the_users_words_are_told_from_a_templates(prompt, texts):
    roles = roles_in_template(prompt, texts)
    before, after = prompt.split("sks cat")
    assert roles[Role.CONCEPT].strip() == "sks cat"
    assert roles[Role.CONTEXT] == before.rstrip() + after
    assert roles[Role.REST] == TEMPLATE.format("")


def test_a_template_around_a_prompt_that_is_not_found_counts_as_context():
    roles = roles_in_template("a photo of sks cat", ["a picture of sks cat", "cpu"])
    assert roles[Role.CONCEPT] == " sks cat"
    assert roles[Role.CONTEXT].endswith("A cat, of the snow:")


def test_a_token_without_a_partner_is_in_no_group():
    tokenizer = clip_tokenizer()
    pipe = types.SimpleNamespace(components={"tokenizer": tokenizer})
    ids = [tokenizer(f"{word} snow", truncation=True, max_length=5).input_ids for word in ("V", "a red cat")]
    pairing = pair(pipe, [Concept("V", "a red cat")], *ids)
    assert pairing.partners == (0, 3, ALONE, 4)
    assert pairing.roles == (Role.REST, Role.CONCEPT, Role.CONTEXT, Role.REST)
    assert pairing.groups == [((0,), Role.REST), ((0,), Role.CONCEPT), None, ((0,), Role.REST)]
    assert pairing.pooled == ((0,), Role.REST)


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ([5, 6, 7], [5, 6, 7], True),
        ([5, 6, 7, 0, 0], [5, 6, 7], True),
        ([0, 0, 5, 6], [0, 5, 6], True),
        ([5, 6, 7, 0, 0], [5, 6, 7, 0, 0, 0, 0], True),
        ([5, 6, 7, 0, 0], [5, 8, 7, 0, 0], False),
        ([5, 6, 7, 0, 0], [5, 8, 0, 0], False),
        ([5, 6, 7, 8, 0], [5, 6], False),
    ],
)
def test_padding_makes_no_difference(one, two, same):
    assert same_text(one, two) == same_text(two, one) == same
