"""Loading is what diffusers does, where it does; where it refuses, each encoder gets its own rows."""

import diffusers
import pytest
import torch

from toys.layouts import clip, t5
from toys.pipelines import WIDTH, encode, make_pipeline
from toys.states import assert_same_state, state_of
from toys.tokenizers import make_tokenizer
from uncollapse.errors import FileFormatError, PipelineError, PlaceholderError, UncollapseWarning
from uncollapse.learned_embeds import LearnedEmbedding, load_into, write

WIDE = 40
ROWS = torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(0))
WIDE_ROWS = torch.randn(2, WIDE, generator=torch.Generator().manual_seed(1))
T5_ROWS = torch.randn(2, 48, generator=torch.Generator().manual_seed(2))


def save(path, rows, placeholder="<my-cat>"):
    vectors = rows if isinstance(rows, dict) else {"text_encoder": rows}
    return write(path, LearnedEmbedding(placeholder, vectors))


def make_second_encoder():
    tokenizer = make_tokenizer()
    return tokenizer, clip(tokenizer, projection=True, hidden_size=WIDE)


def make_t5():
    return make_tokenizer(), t5([], vocab_size=640, d_model=48)  # more rows than tokens, as T5 has


def make_sdxl():
    one = make_pipeline()
    tokenizer, text_encoder = make_second_encoder()
    return diffusers.StableDiffusionXLPipeline(
        vae=one.vae,
        text_encoder=one.text_encoder,
        text_encoder_2=text_encoder,
        tokenizer=one.tokenizer,
        tokenizer_2=tokenizer,
        unet=one.unet,
        scheduler=one.scheduler,
    )


class Parts:
    """A pipeline as far as loading can see: it has components, and no ``maybe_convert_prompt``."""

    def __init__(self, **components):
        self.components = components


def make_flux():
    one = make_pipeline()
    tokenizer, text_encoder = make_t5()
    return Parts(
        tokenizer=one.tokenizer,
        text_encoder=one.text_encoder,
        tokenizer_2=tokenizer,
        text_encoder_2=text_encoder,
    )


def make_sd3():
    one = make_pipeline()
    second, third = make_second_encoder(), make_t5()
    return Parts(
        tokenizer=one.tokenizer,
        text_encoder=one.text_encoder,
        tokenizer_2=second[0],
        text_encoder_2=second[1],
        tokenizer_3=third[0],
        text_encoder_3=third[1],
    )


def rows_of(tokenizer, text_encoder, *names):
    return text_encoder.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids(list(names))]


@pytest.mark.parametrize("count", [1, 3])
def test_loading_is_what_diffusers_does(pipe, tmp_path, count):
    path = save(tmp_path / "cat.safetensors", torch.randn(count, WIDTH))
    assert load_into(pipe, path) == "<my-cat>"
    other = make_pipeline()
    other.load_textual_inversion(str(tmp_path), weight_name="cat.safetensors")
    assert torch.equal(encode(pipe, "a <my-cat>")[0], encode(other, "a <my-cat>")[0])
    assert not torch.equal(encode(pipe, "a <my-cat>")[0], encode(pipe, "a cat")[0])


def test_two_encoders_get_their_own_rows_where_diffusers_refuses_the_file(tmp_path):
    path = save(tmp_path / "cat.safetensors", {"clip_l": ROWS, "clip_g": WIDE_ROWS})
    with pytest.raises(ValueError, match="Loaded state dictionary is incorrect"):
        make_sdxl().load_textual_inversion(str(path))
    pipe, other = make_sdxl(), make_sdxl()
    assert load_into(pipe, path) == "<my-cat>"
    names = ["<my-cat>", "<my-cat>_1"]
    other.load_textual_inversion(
        ROWS, token=names, tokenizer=other.tokenizer, text_encoder=other.text_encoder
    )
    other.load_textual_inversion(
        WIDE_ROWS, token=names, tokenizer=other.tokenizer_2, text_encoder=other.text_encoder_2
    )
    with torch.no_grad():
        ours, theirs = (p.encode_prompt("a <my-cat> on the beach", device="cpu") for p in (pipe, other))
    for one, two in zip(ours, theirs, strict=True):
        assert torch.equal(one, two)


def test_the_second_encoder_alone_is_one_encoder(tmp_path):
    tokenizer, text_encoder = make_second_encoder()
    refiner = Parts(tokenizer=None, text_encoder=None, tokenizer_2=tokenizer, text_encoder_2=text_encoder)
    load_into(refiner, save(tmp_path / "cat.safetensors", WIDE_ROWS[:1]))
    assert torch.equal(rows_of(tokenizer, text_encoder, "<my-cat>"), WIDE_ROWS[:1])


@pytest.mark.parametrize(
    ("make", "vectors"),
    [
        (make_flux, {"clip_l": ROWS, "t5xxl": T5_ROWS}),
        (make_sd3, {"clip_l": ROWS, "clip_g": WIDE_ROWS, "t5xxl": T5_ROWS}),
    ],
)
def test_each_encoder_is_found_by_what_it_is(tmp_path, make, vectors):
    pipe = make()
    text = load_into(pipe, save(tmp_path / "cat.safetensors", vectors))
    assert text == "<my-cat> <my-cat>_1"  # nobody else would write the second token out
    for number, rows in zip(("", "_2", "_3"), vectors.values(), strict=False):
        tokenizer, encoder = pipe.components[f"tokenizer{number}"], pipe.components[f"text_encoder{number}"]
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert torch.equal(encoder.get_input_embeddings().weight[ids], rows)
        hidden = encoder(torch.tensor([ids])).last_hidden_state
        assert hidden.isfinite().all()


def test_a_table_with_rows_to_spare_is_not_cut(tmp_path):
    pipe = make_flux()
    before = pipe.components["text_encoder_2"].get_input_embeddings().weight.detach().clone()
    load_into(pipe, save(tmp_path / "cat.safetensors", {"clip_l": ROWS, "t5xxl": T5_ROWS}))
    after = pipe.components["text_encoder_2"].get_input_embeddings().weight
    added = pipe.components["tokenizer_2"].convert_tokens_to_ids(["<my-cat>", "<my-cat>_1"])
    assert len(after) == len(before)
    assert set((before != after).any(1).nonzero().flatten().tolist()) == set(added)


def test_an_encoder_that_learned_nothing_is_named(tmp_path):
    pipe = make_flux()
    with pytest.warns(UncollapseWarning, match=r"no vectors for t5xxl, .*'<my-cat>' as plain text"):
        load_into(pipe, save(tmp_path / "cat.safetensors", {"clip_l": ROWS}))
    assert "<my-cat>" not in pipe.components["tokenizer_2"].get_vocab()


def test_an_unnamed_encoder_is_found_by_its_width(tmp_path):
    pipe = make_sdxl()
    with pytest.warns(UncollapseWarning, match="no vectors for clip_l"):
        load_into(pipe, save(tmp_path / "cat.safetensors", WIDE_ROWS))
    assert torch.equal(rows_of(pipe.tokenizer_2, pipe.text_encoder_2, "<my-cat>", "<my-cat>_1"), WIDE_ROWS)


def test_loading_under_another_name(pipe, tmp_path):
    path = save(tmp_path / "cat.bin", ROWS, "*")
    assert load_into(pipe, path, placeholder="<own>") == "<own>"
    assert {"<own>", "<own>_1"} <= set(pipe.tokenizer.get_added_vocab())


def test_of_several_the_name_says_which(pipe, tmp_path):
    path = write(
        tmp_path / "cat.safetensors",
        [LearnedEmbedding(f"<s{i}>", {"text_encoder": row}) for i, row in enumerate(ROWS)],
    )
    load_into(pipe, path, "<s1>")
    assert torch.equal(rows_of(pipe.tokenizer, pipe.text_encoder, "<s1>"), ROWS[1:])
    with pytest.raises(PlaceholderError, match="Say which one"):
        load_into(pipe, path)


def everything(pipe):
    return {
        name: (part.get_vocab() if hasattr(part, "get_vocab") else part.state_dict())
        for name, part in pipe.components.items()
        if name.startswith(("tokenizer", "text_encoder"))
    }


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (
            {"clip_l": ROWS, "t5xxl": T5_ROWS},
            r"vectors for 2 text encoders, clip_l \(32\) and t5xxl \(48\), but",
        ),
        (
            {"clip_l": ROWS, "clip_g": torch.randn(2, 1280)},
            "1280 components, the width of the second encoder of",
        ),
        ({"clip_l": torch.randn(1, 768)}, "768 components, the width of Stable Diffusion 1"),
        (torch.randn(1, 1024), "1024 components, the width of Stable Diffusion 2.*have 32 and 40"),
    ],
)
def test_embeddings_of_other_families_leave_two_encoders_alone(tmp_path, vectors, message):
    pipe = make_sdxl()
    before = everything(pipe)
    with pytest.raises(FileFormatError, match=f"cat.safetensors: .*{message}"):
        load_into(pipe, save(tmp_path / "cat.safetensors", vectors))
    torch.testing.assert_close(everything(pipe), before, rtol=0, atol=0)


def test_a_name_taken_in_the_second_tokenizer_leaves_the_first_alone(tmp_path):
    pipe = make_sdxl()
    pipe.tokenizer_2.add_tokens("<my-cat>_1")
    before = everything(pipe)
    with pytest.raises(PlaceholderError, match="has '<my-cat>_1' already"):
        load_into(pipe, save(tmp_path / "cat.safetensors", {"clip_l": ROWS, "clip_g": WIDE_ROWS}))
    torch.testing.assert_close(everything(pipe), before, rtol=0, atol=0)


def test_loading_refuses_and_leaves_the_pipeline_alone(pipe, tmp_path):
    before, vocabulary = state_of(pipe), pipe.tokenizer.get_vocab()
    for rows, message in (
        (
            torch.randn(1024),
            r"1024 components, the width of Stable Diffusion 2.*StableDiffusionPipeline have 32",
        ),
        (
            {"clip_l": ROWS, "clip_g": WIDE_ROWS},
            r"2 text encoders, clip_l \(32\) and clip_g \(40\).*has 1 text encoder",
        ),
    ):
        with pytest.raises(FileFormatError, match=message):
            load_into(pipe, save(tmp_path / "other.safetensors", rows))
    fits = save(tmp_path / "cat.safetensors", ROWS, "<t>")
    for name, message in (("cat", "has 'cat' already"), ("my cat", "one word"), ("<|endoftext|>", "already")):
        with pytest.raises(PlaceholderError, match=message.replace("|", r"\|")):
            load_into(pipe, fits, placeholder=name)
    with pytest.raises(PipelineError, match="no tokenizer and text encoder"):
        load_into(object(), fits)
    assert_same_state(before, state_of(pipe))
    assert pipe.tokenizer.get_vocab() == vocabulary
    load_into(pipe, fits)
    with pytest.raises(PlaceholderError, match="has '<t>' already"):
        load_into(pipe, fits)


def test_a_quantised_or_absent_table_is_refused(pipe, tmp_path):
    path = save(tmp_path / "cat.safetensors", ROWS)
    table = pipe.text_encoder.get_input_embeddings()
    for weight, message in (
        (table.weight.to(torch.int8), "is quantised"),
        (table.weight.to("meta"), "offloaded"),
    ):
        table.weight = torch.nn.Parameter(weight, requires_grad=False)
        with pytest.raises(PipelineError, match=message):
            load_into(pipe, path)
        assert "<my-cat>" not in pipe.tokenizer.get_vocab()


def test_encoders_that_differ_in_count_need_a_pipeline_that_expands(tmp_path):
    path = save(tmp_path / "cat.safetensors", {"clip_l": ROWS, "t5xxl": T5_ROWS[:1]})
    with pytest.raises(PipelineError, match="a different number of vectors"):
        load_into(make_flux(), path)
