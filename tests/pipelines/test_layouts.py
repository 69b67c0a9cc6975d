"""apply() at prompt level on one real pipeline class for every layout that encode methods return.

No test knows a layout. Which vectors belong to a prompt is told by encoding another prompt of as many tokens
with the bare pipeline; where they have to go, by encoding the anchor prompt.
"""

import contextlib

import pytest
import torch

import uncollapse as uc
from toys.counting import count_encodes
from toys.layouts import LAYOUTS, encode_any, flux, sd3
from uncollapse.adjustment import turn_and_scale
from uncollapse.components import text_encoders
from uncollapse.pipelines import prompt_level
from uncollapse.pipelines.encode_step import tensors_in
from uncollapse.pipelines.sources import source_names

pytestmark = pytest.mark.thorough

PROMPT, TWIN = "a photo of sks cat in the snow", "a photo of big dog in the snow"
SHORTER = "a photo of dog in the snow"
OTHER = "a red car near a bridge and a hat"


@pytest.fixture(params=LAYOUTS, ids=[name.replace(" ", "-") for name in LAYOUTS])
def pipe(request, monkeypatch):
    def never(*args):
        raise AssertionError("paired by resemblance, though token ids can be seen")

    monkeypatch.setattr(prompt_level, "by_resemblance", never)
    return LAYOUTS[request.param]()


def encoded(pipe, *arguments, **more):
    return tensors_in(encode_any(pipe, *arguments, **more))


def assert_same(ones, twos):
    assert len(ones) == len(twos)
    for one, two in zip(ones, twos, strict=True):
        assert one.dtype == two.dtype
        assert torch.equal(one, two)


def test_alpha_0_without_rescale_is_the_plain_pipeline(pipe):
    plain = encoded(pipe, PROMPT, "a red car", copies=2)
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=0, beta=None):
        assert_same(encoded(pipe, PROMPT, "a red car", copies=2), plain)


def test_alpha_1_beta_1_with_equal_counts_is_the_anchor_prompt(pipe):
    with uc.apply(pipe, "sks cat", anchor="big dog", alpha=1, beta=1):
        adjusted = encoded(pipe, PROMPT, "sks cat")
    for one, two in zip(adjusted, encoded(pipe, TWIN, "sks cat"), strict=True):
        torch.testing.assert_close(one, two, atol=2e-6, rtol=0)


@pytest.mark.parametrize("copies", [1, 2])
def test_what_does_not_follow_the_concept_keeps_its_bits(pipe, copies):
    """Negatives, masks, ids, and the rows of prompts without it: whatever the anchor prompt leaves alone."""
    plain = encoded(pipe, [OTHER, PROMPT], "sks cat", copies=copies)
    twin = encoded(pipe, [OTHER, TWIN], "sks cat", copies=copies)
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=0.5, beta=1.3):
        adjusted = encoded(pipe, [OTHER, PROMPT], "sks cat", copies=copies)
    moved = 0
    for own, other, new in zip(plain, twin, adjusted, strict=True):
        assert own.shape == new.shape
        assert own.dtype == new.dtype
        follows = _rows_that_differ(own, other)
        assert torch.equal(own[~follows], new[~follows])
        moved += (own != new).any(-1).sum()
    assert moved > 0
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=0.5, beta=1.3):
        assert_same(encoded(pipe, [OTHER, PROMPT], "sks cat", copies=copies), adjusted)


def test_every_vector_that_follows_the_concept_is_the_papers_formula_bit_for_bit(pipe):
    plain = encoded(pipe, [OTHER, PROMPT], "sks cat")
    twin = encoded(pipe, [OTHER, TWIN], "sks cat")
    with uc.apply(pipe, "sks cat", anchor="big dog", alpha=0.3, beta=1.4):
        adjusted = encoded(pipe, [OTHER, PROMPT], "sks cat")
    for own, other, new in zip(plain, twin, adjusted, strict=True):
        if own.ndim < 2 or not own.is_floating_point():
            assert torch.equal(own, new)
            continue
        moved = turn_and_scale(own, other, 0.3, 0.0, 1.4)
        assert torch.equal(new, torch.where(_rows_that_differ(own, other)[..., None], moved, own))


def _rows_that_differ(own, other):
    """Over all but the last axis: rows of tokens as a whole, pooled vectors (few, in two axes) alone."""
    differs = (own != other).any(-1)
    tokens = own.ndim > 2 or len(own) > 6
    return differs.any(-1, keepdim=True).expand_as(differs) if tokens else differs


def test_an_anchor_of_other_length_gives_every_vector_a_partner(pipe):
    """At alpha 1 each vector of the prompt is one of the anchor prompt's; and at most padding goes unused."""
    plain = encoded(pipe, PROMPT, "a hat")
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=1, beta=1):
        adjusted = encoded(pipe, PROMPT, "a hat")
    for own, new, twin in zip(plain, adjusted, encoded(pipe, SHORTER, "a hat"), strict=True):
        if torch.equal(own, new):
            continue
        ours, theirs = (x.reshape(-1, x.shape[-1]) for x in (new, twin))
        moved = (own != new).any(-1).flatten()
        assert (
            torch.cdist(ours[moved], theirs, compute_mode="donot_use_mm_for_euclid_dist")
            .min(dim=1)
            .values.max()
            < 1e-4
        )


def test_by_role_each_vector_moves_as_the_one_alpha_moves_it_or_not_at_all(pipe):
    """What the three roles move is disjoint, and together it is all that follows the concept."""

    def adjusted_by(alpha):
        with uc.apply(pipe, "sks cat", anchor="dog", alpha=alpha, beta=1.2):
            return encoded(pipe, PROMPT, "a hat")

    plain, whole = encoded(pipe, PROMPT, "a hat"), adjusted_by(0.5)
    parts = [adjusted_by(uc.ByRole(*alphas)) for alphas in ((0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5))]
    assert_same(adjusted_by(uc.ByRole(0.5, 0.5, 0.5)), whole)
    for own, moved, *of_roles in zip(plain, whole, *parts, strict=True):
        follows = [(part != own).any(-1) for part in of_roles]
        assert torch.equal(torch.stack(follows).sum(0), (moved != own).any(-1))
        for part, its in zip(of_roles, follows, strict=True):
            assert torch.equal(part[its], moved[its])
    moves = [any(not torch.equal(a, b) for a, b in zip(plain, part, strict=True)) for part in parts]
    assert moves[0] or moves[2]  # a pooled vector or a mean is of the rest


def test_encoders_one_by_one_move_what_all_of_them_move_together(pipe):
    def adjusted_by(encoders):
        with uc.apply(pipe, "sks cat", anchor="dog", alpha=0.5, beta=1.2, encoders=encoders):
            return encoded(pipe, PROMPT, "a hat")

    plain, everything = encoded(pipe, PROMPT, "a hat"), adjusted_by("all")
    parts = {}
    for name in source_names(pipe):
        with contextlib.suppress(uc.AdjustmentError):  # of which nothing is drawn by
            parts[name] = adjusted_by(name)
    assert_same(adjusted_by("+".join(parts)), everything)
    for own, moved, *each in zip(plain, everything, *parts.values(), strict=True):
        follows = [part != own for part in each]
        assert torch.equal(torch.stack(follows).sum(0), (moved != own).int())
        assert all(torch.equal(part[its], moved[its]) for part, its in zip(each, follows, strict=True))


def test_removal_and_failure_leave_the_pipeline_as_it_was(pipe):
    plain, attributes = encoded(pipe, PROMPT, "a hat"), dict(vars(pipe))
    forwards = [dict(vars(encoder)) for encoder in text_encoders(pipe).values()]
    with uc.apply(pipe, "sks cat", anchor="dog"):
        encoder = next(iter(text_encoders(pipe).values()))
        failing = encoder.register_forward_pre_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            encoded(pipe, PROMPT, "a hat")
        failing.remove()
        assert any(
            not torch.equal(one, two) for one, two in zip(plain, encoded(pipe, PROMPT, "a hat"), strict=True)
        )
    assert dict(vars(pipe)) == attributes
    assert [dict(vars(encoder)) for encoder in text_encoders(pipe).values()] == forwards
    assert_same(encoded(pipe, PROMPT, "a hat"), plain)


def test_a_new_prompt_costs_two_encodes_and_a_repeated_one_none(pipe, monkeypatch):
    calls = count_encodes(pipe, monkeypatch)
    encoded(pipe, PROMPT, "a hat")
    plain = len(calls)
    calls.clear()
    with uc.apply(pipe, "sks cat", anchor="dog"):
        first = encoded(pipe, PROMPT, "a hat")
        assert plain < len(calls) <= 2 * plain
        calls.clear()
        assert_same(encoded(pipe, PROMPT, "a hat"), first)
    for alpha in (0.1, 0.5):
        with uc.apply(pipe, "sks cat", anchor="dog", alpha=alpha):
            encoded(pipe, PROMPT, "a hat")
    assert calls == []


def test_the_second_and_third_prompt_are_followed_as_well():
    pipe = sd3()
    places = {"prompt": OTHER, "prompt_2": OTHER, "prompt_3": OTHER}

    def encode(**prompts):
        return pipe.encode_prompt(**{**places, **prompts}, device=torch.device("cpu"), max_sequence_length=64)

    for name in places:
        with uc.apply(pipe, "sks cat", anchor="big dog", alpha=1, beta=1), torch.no_grad():
            adjusted = tensors_in(encode(**{name: PROMPT}))
        with torch.no_grad():
            twin = tensors_in(encode(**{name: TWIN}))
        for other, new in zip(twin, adjusted, strict=True):
            torch.testing.assert_close(new, other, atol=2e-6, rtol=0)


def test_each_encoder_pairs_by_its_own_tokens():
    """ "beach" is a word to CLIP and, taken from its vocabulary, six letters to T5."""
    pipe = flux()
    tokens = pipe.tokenizer_2("beach qrx").input_ids
    assert len(tokens) != len(pipe.tokenizer("beach qrx").input_ids) - 1
    with uc.apply(pipe, "qrx", anchor="dog", alpha=1, beta=1):
        t5, pooled, _ = encode_any(pipe, "a qrx in snow")
    twin, twin_pooled, _ = encode_any(pipe, "a dog in snow")
    length = len(pipe.tokenizer_2("qrx", add_special_tokens=False).input_ids)
    torch.testing.assert_close(pooled, twin_pooled, atol=2e-6, rtol=0)
    torch.testing.assert_close(t5[0, 1 + length : 4 + length], twin[0, 2:5], atol=2e-6, rtol=0)
    torch.testing.assert_close(t5[0, 1 : 1 + length], twin[0, 1].expand(length, -1), atol=2e-6, rtol=0)


@pytest.mark.parametrize("lent", ["a pipeline", "a text encoder"])
def test_a_base_lends_the_encoders_it_has(lent):
    base, tuned = flux(), flux()
    with torch.no_grad():
        for encoder in text_encoders(tuned).values():
            for parameter in encoder.parameters():
                parameter.mul_(1.3)
    own_pooled, own_t5 = encode_any(tuned, TWIN)[1], encode_any(tuned, TWIN)[0]
    t5, pooled, _ = encode_any(base, TWIN)
    assert (t5 - own_t5).abs().max() > 0.1 < (pooled - own_pooled).abs().max()
    lender = base if lent == "a pipeline" else base.text_encoder
    with uc.apply(tuned, "sks cat", anchor="big dog", alpha=1, beta=1, base=lender):
        adjusted = encode_any(tuned, PROMPT)
    torch.testing.assert_close(adjusted[1], pooled, atol=1e-5, rtol=0)
    torch.testing.assert_close(adjusted[0], t5 if lent == "a pipeline" else own_t5, atol=1e-5, rtol=0)


def test_what_does_not_follow_the_concept_can_come_from_the_base(pipe, request):
    base = LAYOUTS[request.node.callspec.params["pipe"]]()
    with torch.no_grad():
        for encoder in text_encoders(pipe).values():
            for parameter in encoder.parameters():
                parameter.mul_(1.3)
    own, lent = (encoded(each, PROMPT, "a red car") for each in (pipe, base))
    with uc.apply(pipe, "sks cat", anchor="dog", base=base):
        usual = encoded(pipe, PROMPT, "a red car")
    with uc.apply(pipe, "sks cat", anchor="dog", base=base, negative_encoder="base"):
        adjusted = encoded(pipe, PROMPT, "a red car")
    others = 0
    for one, two, moved, ours in zip(own, lent, usual, adjusted, strict=True):
        if not one.is_floating_point() or one.ndim < 2:
            assert torch.equal(ours, one)
            continue
        follows = (moved != one).any(-1)
        assert torch.equal(ours[follows], moved[follows])
        torch.testing.assert_close(ours[~follows], two[~follows], atol=1e-5, rtol=0)
        others += int((one != two).any(-1)[~follows].sum())
    assert others or len(own) == len(encoded(pipe, PROMPT))  # else the pipeline takes no negative prompt
