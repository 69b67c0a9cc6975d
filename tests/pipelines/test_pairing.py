"""Words paired with themselves, through CLIP's real vocabulary and a SentencePiece one, exactly and by guess.

The judge knows no characters: it tokenises each word alone and counts.
"""

import copy
import functools
import pickle
import types
from collections import Counter, defaultdict

import diffusers
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

import uncollapse as uc
from toys import layouts
from toys.adjusters import Watching
from toys.every_class import encode, working
from toys.tokenizers import make_tokenizer
from toys.word_pairs import byte_level_tokenizer, cases, clip_tokenizer, sentencepiece_tokenizer
from uncollapse.adjusters import Role
from uncollapse.alignment import ALONE, align
from uncollapse.concept import Concept
from uncollapse.errors import UncollapseWarning
from uncollapse.pipelines.pairing import pair, same_text
from uncollapse.placeholders import substitute

TOKENIZERS = {"CLIP": clip_tokenizer, "SentencePiece": sentencepiece_tokenizer}
VOCABULARIES = {
    **TOKENIZERS,
    "CLIP, copied": lambda: copy.deepcopy(clip_tokenizer()),
    "CLIP, of few words": functools.partial(make_tokenizer, max_length=77),
    "T5": functools.partial(layouts.make_t5_tokenizer, 77),
    "Gemma": layouts.make_gemma_tokenizer,
    "byte level": byte_level_tokenizer,
    "Qwen": layouts.make_qwen_tokenizer,
}


def pipe_with(tokenizer):
    return types.SimpleNamespace(components={"tokenizer": tokenizer})


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
    print(f"{name}, {len(words_seen)} prompts: {right / everything:.1%}")
    assert everything > 2000
    assert right == everything


@pytest.mark.thorough
@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.filterwarnings("ignore:.*cannot be told word by word")
def test_what_cannot_be_read_is_paired_at_its_ends_or_by_resemblance(name):
    """What happens where no ids can be read: by equal ids, and by the encoder's output alone."""
    tokenizer = TOKENIZERS[name]()
    encoder = layouts.clip(tokenizer) if name == "CLIP" else layouts.t5(tokenizer)
    unreadable = pipe_with(
        types.SimpleNamespace(convert_ids_to_tokens=len, pad_token_id=tokenizer.pad_token_id)
    )
    ways, count = {"ids": [], "output": []}, 0
    for words, placeholder, anchor in cases()[::3]:
        prompt, twin, expected = judged(tokenizer, words, placeholder, anchor)
        texts = [" ".join(placeholder if word == "V" else word for word in words)]
        with torch.no_grad():
            one, two = encoder(torch.tensor([prompt, twin])).last_hidden_state
        one, two = (normalize(x - x.mean(0), dim=-1) for x in (one, two))
        found = {
            "ids": pair(unreadable, [Concept(placeholder, anchor)], prompt, twin, texts).partners,
            "output": align(one @ two.T),
        }
        count += len(expected)
        for way, partners in found.items():
            ways[way] += [(partners[i] == j, partners[i] == ALONE) for i, j in expected.items()]
    right = {way: sum(itself for itself, _ in of) / count for way, of in ways.items()}
    wrong = {way: sum(not itself and not alone for itself, alone in of) / count for way, of in ways.items()}
    for way in ways:
        print(f"{name}, by {way}: {right[way]:.1%} with themselves, {wrong[way]:.1%} with another")
    assert right["ids"] > 0.7
    assert wrong["ids"] == 0
    assert right["output"] > 0.8


def test_tokenizers_without_characters_are_paired_by_their_ids():
    slow = pipe_with(types.SimpleNamespace(convert_ids_to_tokens=len))
    prompt, twin = [9, 1, 2, 50, 51, 3, 4, 8], [9, 1, 2, 60, 3, 4, 8]
    pairing = pair(slow, [Concept("sks", "dog")], prompt, twin, ["a cat sks in snow"])
    assert pairing.partners == (0, 1, 2, 3, 3, 4, 5, 6)  # all of them: nothing is left to warn of
    assert set(pairing.roles) == {Role.REST}


def test_what_is_uncertain_is_left_alone():
    slow = pipe_with(types.SimpleNamespace(convert_ids_to_tokens=len))
    prompt, twin = [9, 1, 50, 51, 2, 50, 51, 3, 8], [9, 1, 60, 2, 60, 3, 8]
    with pytest.warns(UncollapseWarning, match="5 of 9 tokens stay as they are"):
        pairing = pair(slow, [Concept("sks", "dog")], prompt, twin, ["cat sks and sks snow"])
    assert pairing.partners == (0, 1, *[ALONE] * 5, 5, 6)


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


@pytest.mark.parametrize("pads", [0, 1, 6])
def test_a_template_that_goes_on_after_the_padding_is_read_too(pads):
    """The twin has a token less, and so a pad more."""
    tokenizer, texts = (
        layouts.make_qwen_tokenizer(),
        (" a photo of sks cat in snow", " a photo of dog in snow"),
    )
    before, after = (tokenizer(text).input_ids for text in TEMPLATE.split("{}"))
    inner = [tokenizer(text, padding="max_length", max_length=7 + pads).input_ids for text in texts]
    ids, twin = (before + each + after for each in inner)
    pairing = pair(
        pipe_with(tokenizer), [Concept("sks cat", "dog")], ids, twin, ["a photo of sks cat in snow"]
    )
    words = [Role.CONTEXT] * 3 + [Role.CONCEPT] * 2 + [Role.CONTEXT] * 2
    rest = [Role.REST] * len(before), [Role.REST] * (pads + len(after))
    assert list(pairing.roles) == [*rest[0], *words, *rest[1]]
    partners = [i - len(before) for i in pairing.partners[len(before) : len(ids) - len(after)]]
    assert partners == [0, 1, 2, 3, 3, 4, 5, *range(7, 7 + pads)]
    for ends in (range(len(before)), range(len(ids) - len(after), len(ids))):
        assert [pairing.partners[i] for i in ends] == [*ends]


@pytest.mark.parametrize("text", ["a{} sks{} cat in snow", "a sks cat in snow"])
def test_a_pad_that_the_user_types_is_a_word(text):
    """Read as padding, it would be paired with any padding."""
    tokenizer = layouts.make_qwen_tokenizer()
    pad = tokenizer.pad_token
    concept = Concept("sks", "dog") if "{" in text else Concept("sks cat", f"dog{pad}")
    prompt = text.format(pad, pad)
    texts = prompt, prompt.replace(concept.placeholder, concept.anchor)
    before, after = (tokenizer(each).input_ids for each in TEMPLATE.split("{}"))
    ids, twin = (before + tokenizer(each).input_ids + after for each in texts)
    pairing = pair(pipe_with(tokenizer), [concept], ids, twin, [prompt])
    assert Role.CONCEPT in pairing.roles
    context = [i for i, role in enumerate(pairing.roles) if role == Role.CONTEXT]
    assert [ids[i] for i in context] == [twin[pairing.partners[i]] for i in context]
    assert [ids[i] for i in context].count(tokenizer.pad_token_id) == text.count("{")


@pytest.mark.parametrize("name", ["Krea2Pipeline", "LongCatImagePipeline"])
def test_pipelines_whose_templates_go_on_after_the_padding_know_each_words_role(name):
    prompt, watching = "a photo of sks cat in the snow", Watching()
    pipe = working(getattr(diffusers, name), prompt)
    with uc.apply(pipe, "sks cat", anchor="dog", adjuster=watching):
        encode(pipe, prompt)
    (_, _, places), *_ = watching.seen
    roles = places.role.flatten(1) if name == "LongCatImagePipeline" else places.role[..., 0]
    assert roles[0].tolist().count(Role.CONCEPT) == 2
    assert roles[0].tolist().count(Role.CONTEXT) == 6
    assert Role.NONE not in roles


def test_a_template_around_a_prompt_that_is_not_found_counts_as_context():
    roles = roles_in_template("a photo of sks cat", ["a picture of sks cat", "cpu"])
    assert roles[Role.CONCEPT] == " sks cat"
    assert roles[Role.CONTEXT].endswith("A cat, of the snow:")


def test_a_line_break_before_the_placeholder_is_the_templates():
    tokenizer = layouts.make_qwen_tokenizer()
    ids, twin = (tokenizer(TEMPLATE.format(f"{text} in snow")).input_ids for text in ("V", "dog"))
    pairing = pair(pipe_with(tokenizer), [Concept("V", "dog")], ids, twin, ["V in snow"])
    line_break = tokenizer.convert_ids_to_tokens(ids).index("Ċ")
    assert pairing.partners[line_break] == line_break
    assert pairing.roles[line_break] == Role.REST
    assert pairing.roles[line_break + 1] == Role.CONCEPT


def partners_of(tokenizer, prompt, placeholder, anchor, length=77, template="{}"):
    """(token, its partner or None) of every token of the prompt but BOS, EOS and padding."""
    rows = [
        tokenizer(template.format(text), padding="max_length", max_length=length, truncation=True).input_ids
        for text in (prompt, prompt.replace(placeholder, anchor))
    ]
    pairing = pair(pipe_with(tokenizer), [Concept(placeholder, anchor)], *rows, [prompt])
    assert Role.CONCEPT in pairing.roles  # that is, nothing was guessed
    partners = pairing.partners
    one, two = map(tokenizer.convert_ids_to_tokens, rows)
    return [
        (token, None if j == ALONE else two[j])
        for token, i, j in zip(one, rows[0], partners, strict=True)
        if i not in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    ]


@pytest.mark.parametrize("name", ["SentencePiece", "T5"])
@pytest.mark.parametrize("unknown", ["🐶", "猫", "~", "{", "<lora:x:1>"])
def test_a_character_that_the_vocabulary_lacks_costs_nothing(name, unknown):
    found = partners_of(VOCABULARIES[name](), f"a cat {unknown} and sks dog of snow", "sks", "big red")
    before = len(VOCABULARIES[name]().tokenize(f"a cat {unknown} and"))
    assert found[:before] == [(token, token) for token, _ in found[:before]]
    assert [pair for pair in found if pair[0] != pair[1]]
    assert found[-2:] == [("▁of", "▁of"), ("▁snow", "▁snow")]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copied_tokenizer_pairs_as_the_original_does(copied):
    for tokenizer in (clip_tokenizer(), make_tokenizer()):
        for template in ("{}", "{} of snow"):  # the second is read back
            example = "a photo of sks and sks dog, dog", "sks", "small cat", 20, template
            assert partners_of(copied(tokenizer), *example) == partners_of(tokenizer, *example)


def test_a_word_cut_off_between_its_pieces_is_paired():
    prompts = ("sks and a hippopotamus of snow", "sks"), ("cat dog and a hippopotamus of snow", "cat dog")
    found = partners_of(clip_tokenizer(), *prompts[0], "cat dog", 7)
    assert found[-2:] == [("hippo", "hippo"), ("potam", None)]
    found = partners_of(clip_tokenizer(), *prompts[1], "sks", 7)
    assert found[-1] == ("hippo", "hippo")


def test_a_quote_that_clip_takes_into_the_placeholder_moves_with_it():
    found = partners_of(clip_tokenizer(), "a 'sks dog' here", "sks dog", "cat")
    assert found[0] == ("a</w>", "a</w>")
    assert found[1:4] == [("'s</w>", "cat</w>"), ("ks</w>", "cat</w>"), ("dog</w>", "cat</w>")]
    assert found[-1] == ("here</w>", "here</w>")


def test_a_longer_word_that_reads_like_the_placeholder_is_none():
    tokenizer = clip_tokenizer()
    ids, twin = (tokenizer(text).input_ids for text in ("sks dog2 and sks dog", "sks dog2 and cat"))
    pairing = pair(pipe_with(tokenizer), [Concept("sks dog", "cat")], ids, twin, ["sks dog2 and sks dog"])
    assert pairing.partners[:5] == (0, 1, 2, 3, 4)
    assert pairing.roles.count(Role.CONCEPT) == len(tokenizer.tokenize("sks dog"))


def test_a_symbol_for_an_anchor_beside_punctuation():
    found = partners_of(clip_tokenizer(), "a sks!! in snow", "sks", "!")
    assert found[0] == ("a</w>", "a</w>")
    assert ("!!</w>", None) in found
    assert found[-2:] == [("in</w>", "in</w>"), ("snow</w>", "snow</w>")]


def test_a_lone_space_is_nobodys_anchor():
    found = partners_of(byte_level_tokenizer(), "a photo  sks dog ohwx", "sks dog ohwx", "cat")
    assert found[2:] == [("Ġ", "Ġ"), ("Ġsks", "Ġcat"), ("Ġdog", "Ġcat"), ("Ġohwx", "Ġcat")]


ORDINARY = (
    "a photo of the cat dog in snow near Grand Canyon unbelievably red don't it's 12 4k Reykjavík dog2 sks"
)
WILD = "🐶 猫が ~ { } <lora:x:0.8> |"
WILD += " \\ é ' \" ( ) , . !! !? ... – … <3 <unk> </s> 👩‍🚀 İ ﬁ 's _ * #1 \u200b &amp; [x]"
words = st.sampled_from(ORDINARY.split()) | st.sampled_from(WILD.split()) | st.just("V")
blanks = st.sampled_from([" "] * 8 + ["", "  ", "\n", " , ", "\t", "   "])
phrases = st.tuples(
    st.sampled_from(["sks dog", "ohwx", "zwx-man", "Sks", "sks", "🐶", "V*", "<x>"]),
    st.sampled_from(["dog", "small dog", "carved wooden statue", "<3", "!", "'", "(cat)", "雪", "cat house"]),
)


@pytest.mark.thorough
@pytest.mark.parametrize("template", ["{}", "user: describe\n{}\nanswer: a cat of the snow"])
@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.filterwarnings("ignore:.*cannot be told word by word")
def test_no_context_word_is_paired_with_another_however_wild_the_prompt(name, template):
    if template != "{}" and name in ("SentencePiece", "T5"):
        pytest.skip("no template of theirs holds what their vocabulary lacks")
    tokenizer, counts = VOCABULARIES[name](), Counter()

    @settings(max_examples=120)
    @given(
        st.lists(st.tuples(words, blanks), min_size=1, max_size=10), phrases, st.sampled_from([77, 40, 16])
    )
    def check(parts, phrase, length):
        text = "".join((phrase[0] if word == "V" else word) + blank for word, blank in parts)
        found = judged_by_characters(tokenizer, substitute(text, [phrase]), phrase, length, template)
        assert found["another"] == 0
        counts.update(found)

    check()
    assert counts["itself"] > 200
    assert counts["left out"] <= 0.02 * counts["itself"]
    if template == "{}":
        assert counts["left out"] == 0


def judged_by_characters(tokenizer, done, phrase, length, template):
    """How many tokens that cover nothing of a placeholder are paired with those that cover the same
    characters, with others, or are left out although these are there."""
    before, after = template.split("{}")
    rows, texts = [], (before + done.text + after, before + done.new_text + after)
    for text in texts:
        rows.append(tokenizer(text, padding="max_length", max_length=length, truncation=True).input_ids)
    found = Counter()
    if rows[0] == rows[1]:
        return found
    partners = pair(pipe_with(tokenizer), [Concept(*phrase)], *rows, [done.text, "cpu"]).partners
    there = moved_characters(done, len(before), len(after))
    (first, ours), (begin, theirs) = map(functools.partial(covered, tokenizer), texts, rows)
    places = defaultdict(list)
    for j, characters in enumerate(theirs):
        places[characters].append(begin + j)
    seen = Counter()
    for i, characters in enumerate(ours):
        number, seen[characters] = seen[characters], seen[characters] + 1
        if not characters or not all(each in there for each in characters):
            continue
        same = places[tuple(there[each] for each in characters)]
        partner = partners[first + i]
        if partner != ALONE:
            found["itself" if partner in same else "another"] += 1
        elif number < len(same) and rows[0][first + i] == rows[1][same[number]]:
            found["left out"] += 1
    return found


def moved_characters(done, before, after):
    """Where each character of the context is in the twin."""
    there = {i: i for i in range(before)}
    here, new = 0, 0
    ends = ((len(done.text), len(done.text) + after), (len(done.new_text), len(done.new_text) + after))
    for span, its in zip((*done.spans, ends[0]), (*done.new_spans, ends[1]), strict=True):
        there |= {before + here + i: before + new + i for i in range(span[0] - here)}
        (_, here), (_, new) = span, its
    tail, its = before + len(done.text), before + len(done.new_text)
    return there | {tail + i: its + i for i in range(after)}


def covered(tokenizer, text, row):
    """Where the text's tokens begin in the row, and which visible characters each covers."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = encoded["input_ids"]
    starts = range(len(row))
    matched = {
        s: next((k for k, i in enumerate(ids) if row[s + k : s + k + 1] != [i]), len(ids)) for s in starts
    }
    first = max(matched, key=lambda s: (matched[s], -s))
    return first, [
        tuple(i for i in range(*offset) if not text[i].isspace())
        for offset in encoded["offset_mapping"][: matched[first]]
    ]


def test_a_token_without_a_partner_is_in_no_group():
    tokenizer = clip_tokenizer()
    pipe = types.SimpleNamespace(components={"tokenizer": tokenizer})
    ids = [tokenizer(f"{word} snow", truncation=True, max_length=5).input_ids for word in ("V", "a red cat")]
    pairing = pair(pipe, [Concept("V", "a red cat")], *ids)
    assert pairing.partners == (0, 3, ALONE, 4)
    assert pairing.roles == (Role.REST, Role.CONCEPT, Role.CONTEXT, Role.REST)
    assert pairing.groups == [((0,), Role.REST), ((0,), Role.CONCEPT), None, ((0,), Role.REST)]
    assert pairing.pooled.groups == [((0,), Role.REST)]


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
