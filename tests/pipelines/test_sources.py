"""Which encoders are adjusted: the named ones' numbers as without the setting, all others bit for bit.

Where each layout has whose numbers is known here by hand.
"""

from itertools import combinations

import pytest
import torch

import uncollapse as uc
from toys.layouts import clip_and, encode_any, flux, make_t5_tokenizer, t5
from toys.pipelines import encode, make_pipeline
from toys.tokenizers import MAX_LENGTH
from uncollapse.errors import AdjustmentError, PipelineError, UncollapseWarning
from uncollapse.pipelines import prompt_level
from uncollapse.pipelines.encode_step import tensors_in

PROMPT = "the sks cat near carved man in snow"
CONCEPTS = [("sks cat", "dog"), ("carved man", "small hat")]
CLIP = slice(MAX_LENGTH)  # places of CLIP's tokens where T5's follow
T5 = slice(MAX_LENGTH, None)


def sdxl():
    return clip_and("StableDiffusionXLPipeline")


def sd3():
    """With a T5 as wide as both CLIPs and more, as the real one is."""
    tokenizer = make_t5_tokenizer()
    return clip_and("StableDiffusion3Pipeline", third=(tokenizer, t5(tokenizer, d_model=80)))


WHOSE = {
    make_pipeline: {"text_encoder": [(0, ...)]},
    sdxl: {
        "clip_l": [(0, ..., slice(32))],
        "clip_g": [(0, ..., slice(32, None))],
        "pooled": [(2, ...)],
    },
    sd3: {
        "clip_l": [(0, ..., CLIP, slice(32))],
        "clip_g": [(0, ..., CLIP, slice(32, 64))],
        "t5xxl": [(0, ..., T5, slice(None))],
        "pooled": [(2, ...)],
    },
    flux: {"pooled": [(1, ...)], "t5xxl": [(0, ...)]},
}
"""By name, which numbers are an encoder's: the number of a tensor in the result, and where in it."""


def encoded(pipe, concepts=(), **how):
    if not concepts:
        return tensors_in(encode_any(pipe, ["a red hat", PROMPT], "sks cat"))
    given = [uc.Concept(*each, **how) for each in concepts]
    with uc.apply(pipe, given):
        return tensors_in(encode_any(pipe, ["a red hat", PROMPT], "sks cat"))


@pytest.mark.parametrize("make", WHOSE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("concepts", [CONCEPTS[:1], CONCEPTS], ids=["one concept", "two"])
def test_the_named_move_as_they_would_and_all_others_keep_their_bits(make, concepts):
    pipe, whose = make(), WHOSE[make]
    plain, everything = encoded(pipe), encoded(pipe, concepts)
    subsets = [names for n in range(len(whose)) for names in combinations(whose, n + 1)]
    for names in subsets:
        found = encoded(pipe, concepts, encoders="+".join(names))
        expected = [each.clone() for each in plain]
        for number, *place in (each for name in names for each in whose[name]):
            expected[number][tuple(place)] = everything[number][tuple(place)]
        assert all(map(torch.equal, found, expected)), names
        assert not all(map(torch.equal, found, plain)), names
    assert names == tuple(whose)
    assert all(map(torch.equal, found, everything))


def test_roles_hold_within_the_named_encoders():
    """0 leaves a role's vectors as they are, 1 gives the anchor's, and all alike is the single α."""
    pipe = flux()

    def with_alpha(alpha):
        return encoded(pipe, CONCEPTS[:1], alpha=alpha, beta=1.0, encoders="t5xxl")[0][1]

    plain, single = encoded(pipe)[0][1], with_alpha(0.4)
    assert torch.equal(with_alpha(uc.ByRole(0.4, 0.4, 0.4)), single)
    assert torch.equal(with_alpha(uc.ByRole(0, 0, 0)), plain)
    concept, context, rest = (
        with_alpha(uc.ByRole(*(float(each == role) for role in range(3)))) for each in range(3)
    )
    moved = [(each != plain).any(-1) for each in (concept, context, rest)]
    assert [places[:8].tolist() for places in moved[:2]] == [
        [i in (1, 2) for i in range(8)],
        [i not in (1, 2) for i in range(8)],
    ]
    assert moved[2].nonzero().min() == 8
    twin = tensors_in(encode_any(pipe, PROMPT.replace("sks cat", "dog")))[0][0]
    torch.testing.assert_close(context[3:8], twin[2:7], atol=1e-5, rtol=0)


def test_an_encoder_that_another_prompt_is_given_to_is_said_to_move_nothing():
    pipe = flux()
    with (
        uc.apply(pipe, "sks cat", anchor="dog", encoders="t5xxl"),
        pytest.warns(UncollapseWarning, match="nothing is adjusted: the text encoder hears no difference"),
    ):
        encode_any(pipe, PROMPT, prompt_2="a red hat")


def test_a_schedule_follows_the_named_alone():
    pipe = make_pipeline()
    with uc.apply(pipe, "sks cat", anchor="dog", encoders="text_encoder", schedule=lambda progress: 0.5):
        half = encode(pipe, PROMPT)[0]
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=0.1):
        assert torch.equal(encode(pipe, PROMPT)[0], half)


@pytest.mark.parametrize(
    ("make", "encoders", "says"),
    [
        (sdxl, "t5xxl", r"StableDiffusionXLPipeline has no t5xxl\. It has clip_l, clip_g, pooled\."),
        (flux, "clip_l+t5", r"FluxPipeline has no t5\. It has clip_l, t5xxl, pooled\."),
        (flux, "clip_l", r"FluxPipeline draws by nothing that is clip_l\. There are t5xxl, pooled\."),
        (make_pipeline, "pooled", r"draws by nothing that is pooled\. There is text_encoder\."),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_those_that_are(make, encoders, says):
    with pytest.raises(AdjustmentError, match=says):
        encoded(make(), CONCEPTS[:1], encoders=encoders)


def test_concepts_of_one_pipeline_have_the_same_encoders():
    concepts = [uc.Concept("sks cat", "dog", encoders="pooled"), uc.Concept("carved man", "hat")]
    with pytest.raises(AdjustmentError, match=r"encoders='pooled' and 'all'.*the same encoders"):
        uc.apply(flux(), concepts)


def test_where_nobody_sees_the_ids_encoders_cannot_be_told_apart(pipe, monkeypatch):
    monkeypatch.setattr(prompt_level, "by_ids", lambda *_, **more: None)
    with (
        uc.apply(pipe, "sks cat", anchor="dog", encoders="text_encoder"),
        pytest.raises(PipelineError, match="Leave encoders out"),
    ):
        encode(pipe, PROMPT)


def test_in_the_token_table_the_rows_of_the_named_encoders_move():
    pipe = sdxl()
    for tokenizer, encoder in ((pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)):
        tokenizer.add_tokens("<my-cat>")
        encoder.resize_token_embeddings(len(tokenizer))
    tables = [e.get_input_embeddings().weight.data for e in (pipe.text_encoder, pipe.text_encoder_2)]
    plain = [table.clone() for table in tables]
    with uc.apply(pipe, "<my-cat>", anchor="cat", encoders="clip_g"):
        assert [torch.equal(*pair) for pair in zip(tables, plain, strict=True)] == [True, False]
    with pytest.raises(AdjustmentError, match="rows are those of clip_l, clip_g"):
        uc.apply(pipe, "<my-cat>", anchor="cat", encoders="pooled")
    assert all(map(torch.equal, tables, plain))
