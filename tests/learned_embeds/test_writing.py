"""What is written is read, by diffusers and torch too, bit for bit; what a layout has no room for is said."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors import safe_open
from safetensors.torch import load_file

from toys.pipelines import WIDTH, encode, make_pipeline
from uncollapse.errors import OutputError, UncollapseWarning
from uncollapse.learned_embeds import LearnedEmbedding, read, read_all, write
from uncollapse.learned_embeds.layouts import layout_of

ROWS = torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(0))
WIDE = torch.randn(2, 40, generator=torch.Generator().manual_seed(1))
CAT = LearnedEmbedding("<my-cat>", {"text_encoder": ROWS})
SDXL = LearnedEmbedding("<my-cat>", {"clip_l": ROWS, "clip_g": WIDE})
ONE_ENCODER = [
    ("diffusers", ".safetensors"),
    ("diffusers", ".bin"),
    ("a1111", ".pt"),
    ("kohya", ".safetensors"),
]

finite = st.floats(-(2.0**126), 2.0**126, width=32)  # within bfloat16's range
rows = st.tuples(st.integers(1, 4), st.just(6)).flatmap(
    lambda shape: arrays("float32", shape, elements=finite).map(torch.from_numpy)
)
dtypes = st.sampled_from([torch.float32, torch.bfloat16, torch.float64])
names = (
    st.text(min_size=1)
    .filter(str.strip)
    .filter(lambda name: name.isprintable() and layout_of([name]) == "diffusers")
)
metadata = st.dictionaries(st.text("abc.", min_size=1), st.text("xyz é"), max_size=3)


def same(one: LearnedEmbedding, other: LearnedEmbedding) -> bool:
    return (
        one.placeholder == other.placeholder
        and list(one.vectors) == list(other.vectors)
        and all(
            a.dtype == b.dtype and torch.equal(a, b)
            for a, b in zip(one.vectors.values(), other.vectors.values(), strict=True)
        )
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.mark.parametrize(("layout", "suffix"), ONE_ENCODER)
@settings(max_examples=30)
@given(name=names, rows=rows, dtype=dtypes, metadata=metadata)
def test_one_encoder_comes_back(folder, layout, suffix, name, rows, dtype, metadata):
    embedding = LearnedEmbedding(name, {"text_encoder": rows.to(dtype)}, metadata)
    if suffix == ".safetensors":
        path = write(folder / f"file{suffix}", embedding, layout)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UncollapseWarning)
            path = write(folder / f"file{suffix}", embedding, layout)
    found = read(path)
    assert same(found, embedding)
    assert found.layout == layout
    assert found.metadata == (metadata if suffix == ".safetensors" else {})


@pytest.mark.parametrize("name", ["clip_l", "emb_params", "string_to_param", "bundle_emb.x"])
def test_a_name_that_is_another_layouts_key_is_refused(folder, name):
    with pytest.raises(OutputError, match="another layout"):
        write(
            folder / "taken.safetensors", LearnedEmbedding(name, {"text_encoder": torch.ones(4)}), "diffusers"
        )
    assert not (folder / "taken.safetensors").exists()


@settings(max_examples=30)
@given(
    name=names,
    vectors=st.dictionaries(st.sampled_from(["clip_l", "clip_g", "t5xxl"]), rows, min_size=1),
    metadata=metadata,
)
def test_several_encoders_come_back(folder, name, vectors, metadata):
    vectors = {key: vectors[key] for key in ("clip_l", "clip_g", "t5xxl") if key in vectors}
    embedding = LearnedEmbedding(name, vectors, metadata)
    found = read(write(folder / "file.safetensors", embedding))
    assert same(found, embedding)
    assert found.layout == "encoders"
    assert found.metadata == metadata


def test_conversions_there_and_back_keep_every_bit(tmp_path):
    metadata = {"step": "500", "sd_checkpoint": "81761151", "sd_checkpoint_name": "v1-5"}
    embedding = CAT.replace(metadata=metadata)
    for layout, suffix in [*ONE_ENCODER[2:], *ONE_ENCODER[:1]]:  # .bin has no place for the metadata
        embedding = read(write(tmp_path / f"file{suffix}", embedding, layout))
        assert same(embedding, CAT)
        assert embedding.metadata == metadata


def test_what_other_programs_look_for_is_there(tmp_path):
    a1111 = torch.load(write(tmp_path / "cat.pt", CAT), weights_only=True)
    assert list(a1111) == [
        "string_to_token",
        "string_to_param",
        "name",
        "step",
        "sd_checkpoint",
        "sd_checkpoint_name",
    ]
    assert list(a1111["string_to_param"]) == ["*"]
    assert list(load_file(write(tmp_path / "kohya.safetensors", CAT, "kohya"))) == ["emb_params"]
    assert set(load_file(write(tmp_path / "sdxl.safetensors", SDXL))) == {"clip_l", "clip_g"}
    flux = load_file(
        write(tmp_path / "flux.safetensors", LearnedEmbedding("<t>", {"clip_l": ROWS, "t5xxl": WIDE}))
    )
    assert set(flux) == {"clip_l", "t5", "t5xxl"}  # diffusers' scripts, and ComfyUI
    assert torch.equal(flux["t5"], flux["t5xxl"])


def test_metadata_is_kept_beside_the_tensor(tmp_path):
    path = write(tmp_path / "cat.safetensors", CAT.replace(metadata={"uncollapse.alpha": "0.2"}))
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt", "uncollapse.alpha": "0.2"}


@pytest.mark.parametrize(("layout", "suffix"), ONE_ENCODER[:3])
def test_diffusers_loads_what_was_written(tmp_path, layout, suffix):
    path = write(tmp_path / f"cat{suffix}", CAT, layout)
    pipe = make_pipeline()
    pipe.load_textual_inversion(str(tmp_path), weight_name=path.name)
    ids = pipe.tokenizer.convert_tokens_to_ids(["<my-cat>", "<my-cat>_1"])
    assert torch.equal(pipe.text_encoder.get_input_embeddings().weight[ids], ROWS)
    by_key = make_pipeline()
    by_key.load_textual_inversion(
        load_file(write(tmp_path / "sdxl.safetensors", SDXL))["clip_l"], token=["<my-cat>", "<my-cat>_1"]
    )
    assert torch.equal(encode(pipe, "a <my-cat>")[0], encode(by_key, "a <my-cat>")[0])


def test_several_tokens_go_into_one_file(tmp_path):
    both = [CAT.replace(vectors={"text_encoder": rows}, placeholder=f"<s{i}>") for i, rows in enumerate(ROWS)]
    found = read_all(write(tmp_path / "both.safetensors", both))
    assert all(same(a, b) for a, b in zip(found, both, strict=True))
    with pytest.raises(OutputError, match=r"one embedding, not '<s0>', '<s1>'"):
        write(tmp_path / "both.pt", both)


def test_metadata_that_a_torch_file_has_no_place_for_is_named(tmp_path):
    with pytest.warns(UncollapseWarning, match=r"cat\.pt: .* so ss_seed is lost"):
        write(tmp_path / "cat.pt", CAT.replace(metadata={"ss_seed": "1", "step": "2"}))
    with pytest.warns(UncollapseWarning, match=r"cat\.bin: .* so ss_seed, step is lost"):
        write(tmp_path / "cat.bin", CAT.replace(metadata={"ss_seed": "1", "step": "2"}))


def test_the_name_of_a_single_encoder_is_lost_with_a_warning(tmp_path):
    clip_l = LearnedEmbedding("<t>", {"clip_l": ROWS})
    with pytest.warns(UncollapseWarning, match="lost that these are clip_l's"):
        path = write(tmp_path / "cat.safetensors", clip_l, "kohya")
    assert torch.equal(read(path).vectors["text_encoder"], ROWS)


def test_what_a_layout_has_no_room_for_is_refused(tmp_path):
    for layout, suffix in ONE_ENCODER:
        with pytest.raises(OutputError, match=r"vectors for clip_l, clip_g.*one encoder's"):
            write(tmp_path / f"cat{suffix}", SDXL, layout)
    with pytest.raises(OutputError, match="does not say which encoder"):
        write(tmp_path / "cat.safetensors", CAT, "encoders")
    for name, layout in (("cat.txt", None), ("cat.pt", "kohya"), ("cat.safetensors", "a1111")):
        with pytest.raises(OutputError, match="are written to"):
            write(tmp_path / name, CAT, layout)
    with pytest.raises(OutputError, match="layout='sdxl' is none of"):
        write(tmp_path / "cat.safetensors", CAT, "sdxl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("layout", "suffix"), ONE_ENCODER)
def test_a_row_of_a_large_table_makes_a_small_file(tmp_path, layout, suffix):
    table = torch.randn(10_000, WIDTH)
    path = write(tmp_path / f"cat{suffix}", CAT.replace(vectors={"text_encoder": table[7:9]}), layout)
    assert path.stat().st_size < 5_000


def test_places_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write(tmp_path / "file" / "cat.safetensors", CAT)
    assert [path.name for path in write(tmp_path / "new" / "cat.pt", CAT).parent.iterdir()] == ["cat.pt"]
