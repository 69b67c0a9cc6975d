"""Baking writes what ``adjust`` computes, says what it did, and gives the source back byte for byte."""

import base64
import hashlib
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, safe_open, save_file

import uncollapse as uc
from toys.embedding_files import A1111, hide
from toys.pipelines import WIDTH, encode, make_pipeline
from uncollapse.adjustment import Adjustment
from uncollapse.baking import bake, is_baked, unbake
from uncollapse.errors import AnchorError, EmbeddingError, FileFormatError, OutputError, UncollapseWarning
from uncollapse.learned_embeds import LearnedEmbedding, load_into, read, read_all, write
from uncollapse.vocabulary.tables import Vocabulary, load_vocabularies

ROWS = 9 * torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(0))
WIDE = torch.randn(3, 40, generator=torch.Generator().manual_seed(1))
CAT = LearnedEmbedding("<my-cat>", {"text_encoder": ROWS}, {"ss_seed": "1"})


@pytest.fixture(scope="module")
def vocabularies(model):
    return load_vocabularies(model)


@pytest.fixture
def two(vocabularies):
    """Of a model with two encoders."""
    [one] = vocabularies.values()
    torch.manual_seed(3)
    return {
        "clip_l": one,
        "clip_g": Vocabulary(torch.randn(len(one.token_embeds), 40), one.tokenizer, "sdxl"),
    }


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "cat.safetensors", CAT)


@pytest.mark.parametrize(
    "adjustment",
    [
        Adjustment(),
        Adjustment(0.7, 0.5),
        Adjustment(0.3, None),
        Adjustment(0.3, None, 0.5),
        Adjustment(0, None),
    ],
)
def test_a_baked_token_is_an_adjusted_one(model, vocabularies, source, tmp_path, adjustment):
    baked = tmp_path / "baked.safetensors"
    bake(source, baked, vocabularies, "small dog", adjustment)
    plain, adjusted = make_pipeline(), make_pipeline()
    load_into(plain, source)
    load_into(adjusted, baked)
    settings = {"alpha": adjustment.alpha, "beta": adjustment.beta, "norm_blend": adjustment.norm_blend}
    with uc.apply(plain, "<my-cat>", anchor="small dog", level="token", **settings):
        assert torch.equal(encode(plain, "a <my-cat>")[0], encode(adjusted, "a <my-cat>")[0])


def test_the_metadata_tell_what_was_done(vocabularies, model, source, tmp_path):
    rows = bake(source, tmp_path / "baked.safetensors", vocabularies, "cat", Adjustment(0.25, 2.0))
    with safe_open(tmp_path / "baked.safetensors", "pt") as file:
        metadata = file.metadata()
    data = source.read_bytes()
    before, after = load_file(source)["<my-cat>"], load_file(tmp_path / "baked.safetensors")["<my-cat>"]
    c = vocabularies["text_encoder"].anchor_vector("cat")
    expected = {
        "format": "pt",
        "ss_seed": "1",
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.title": "baked",
        "modelspec.trigger_phrase": "baked",
        "modelspec.usage_hint": "baked by uncollapse: anchor cat, alpha 0.25, beta 2.0",
        "uncollapse.version": uc.__version__,
        "uncollapse.model": model.name,
        "uncollapse.placeholder": "<my-cat>",
        "uncollapse.anchor": "cat",
        "uncollapse.alpha": "0.25",
        "uncollapse.beta": "2.0",
        "uncollapse.source": "cat.safetensors",
        "uncollapse.source_sha256": hashlib.sha256(data).hexdigest(),
        "uncollapse.source_data": base64.b64encode(data).decode(),
    }
    for name, tensor in (("before", before), ("after", after)):
        norms = json.loads(metadata.pop(f"uncollapse.norm_{name}"))["text_encoder"]
        cosines = json.loads(metadata.pop(f"uncollapse.cosine_{name}"))["text_encoder"]
        assert norms == pytest.approx(tensor.double().norm(dim=-1).tolist(), rel=1e-5)
        assert cosines == pytest.approx(
            torch.cosine_similarity(tensor.double(), c.double()).tolist(), abs=1e-5
        )
        assert [getattr(row, f"norm_{name}") for row in rows] == norms
        assert [getattr(row, f"cosine_{name}") for row in rows] == cosines
    assert metadata == expected
    assert after.norm(dim=-1).tolist() == pytest.approx([2 * c.norm().item()] * 3, rel=1e-5)


def said(metadata, what):
    return {name.removeprefix("modelspec."): metadata.get(name) for name in metadata if name.startswith(what)}


def test_a_file_says_of_which_architecture_it_is_and_what_it_said_before_stays(vocabularies, tmp_path):
    embedding = LearnedEmbedding("<c>", {"text_encoder": torch.randn(2, 768)}, {"modelspec.title": "My cat"})
    source = write(tmp_path / "cat.safetensors", embedding)
    [one] = vocabularies.values()
    wide = {"text_encoder": Vocabulary(torch.randn(len(one.token_embeds), 768), one.tokenizer)}
    bake(source, tmp_path / "my-cat.safetensors", wide, "cat")
    found = said(read(tmp_path / "my-cat.safetensors").metadata, "modelspec.")
    assert found["title"] == "My cat"
    assert found["trigger_phrase"] == "my-cat"
    assert found["architecture"] == "stable-diffusion-v1/textual-inversion"


@pytest.mark.parametrize(
    "stem", ["cat", "Cat", "123", "<my-cat>", "my[cat]", "my cat", "a,b", "cat.", "2cats"]
)
def test_a_name_that_user_interfaces_cannot_call_is_warned_of(vocabularies, source, tmp_path, stem):
    with pytest.warns(UncollapseWarning, match="is what a prompt would call it"):
        bake(source, tmp_path / "out" / f"{stem}.safetensors", vocabularies, "cat")


@pytest.mark.parametrize("stem", ["my-cat-tea", "style_2.v1", "zzqx"])
def test_other_names_are_not(vocabularies, source, tmp_path, stem, recwarn):
    bake(source, tmp_path / f"{stem}.safetensors", vocabularies, "cat")
    assert not list(recwarn)


def test_metadata_too_large_for_comfyui_are_warned_of(vocabularies, tmp_path, recwarn):
    for count, warned in ((2500, False), (7000, True)):
        rows = torch.randn(count, WIDTH)
        write(tmp_path / "large.safetensors", CAT.replace(vectors={"text_encoder": rows}))
        bake(
            tmp_path / "large.safetensors", tmp_path / "out.safetensors", vocabularies, "cat", overwrite=True
        )
        assert any("ComfyUI shows none" in str(each.message) for each in recwarn) is warned


def test_several_tokens_are_stacked_into_one_embedding_if_asked(vocabularies, tmp_path):
    source = tmp_path / "pivotal.safetensors"
    as_two_tokens(source)
    with pytest.warns(UncollapseWarning, match="InvokeAI read the first alone"):
        bake(source, tmp_path / "keys.safetensors", vocabularies, "cat")
    bake(source, tmp_path / "one.safetensors", vocabularies, "cat", stack=True)
    assert list(load_file(tmp_path / "one.safetensors")) == ["emb_params"]
    one = read(tmp_path / "one.safetensors")
    assert one.placeholder == "<s0><s1>"
    rows = [each.vectors["text_encoder"] for each in read_all(tmp_path / "keys.safetensors")]
    assert torch.equal(one.vectors["text_encoder"], torch.cat(rows))
    unbake(tmp_path / "one.safetensors", tmp_path / "back.safetensors")
    assert (tmp_path / "back.safetensors").read_bytes() == source.read_bytes()


def test_encoders_are_not_stacked(two, tmp_path):
    two_keys(tmp_path / "cat.safetensors")
    with pytest.raises(OutputError, match="Leave stack out"):
        bake(tmp_path / "cat.safetensors", tmp_path / "one.safetensors", two, "cat", stack=True)


def test_what_cannot_carry_provenance_is_not_written(vocabularies, tmp_path):
    source = write(tmp_path / "cat.bin", CAT.replace(metadata={}))
    with pytest.raises(OutputError, match="other kinds cannot carry what was done"):
        bake(source, tmp_path / "baked.bin", vocabularies, "cat")
    assert list(tmp_path.iterdir()) == [source]


def test_two_encoders_move_toward_their_own_anchors(two, tmp_path):
    source = write(tmp_path / "cat.safetensors", LearnedEmbedding("<c>", {"clip_l": ROWS, "clip_g": WIDE}))
    rows = bake(source, tmp_path / "baked.safetensors", two, "cat")
    baked = read(tmp_path / "baked.safetensors")
    for name, v in (("clip_l", ROWS), ("clip_g", WIDE)):
        assert torch.equal(baked.vectors[name], uc.adjust(v, two[name].anchor_vector("cat")))
    assert set(load_file(tmp_path / "baked.safetensors")) == {"clip_l", "clip_g"}
    assert [(row.encoder, row.row) for row in rows] == [
        (name, i) for name in ("clip_l", "clip_g") for i in range(3)
    ]


def as_diffusers_bin(path):
    torch.save({"<my-cat>": ROWS[0].half()}, path)


def as_a1111(path):
    torch.save(A1111, path)


def as_picture(path):
    import numpy as np
    from PIL import Image

    from toys.embedding_files import as_json

    picture = np.full((64, 64, 3), 200, np.uint8)
    Image.fromarray(hide(as_json(A1111), picture)).save(path)


def as_kohya(path):
    save_file({"emb_params": ROWS.bfloat16()}, path)


def as_two_tokens(path):
    save_file({"<s0>": ROWS[0], "<s1>": ROWS[1]}, path)


@pytest.mark.parametrize(
    ("make", "suffix", "layout"),
    [
        (as_diffusers_bin, ".bin", "diffusers"),
        (as_a1111, ".pt", "kohya"),
        (as_picture, ".png", "kohya"),
        (as_kohya, ".safetensors", "kohya"),
        pytest.param(
            as_two_tokens,
            ".safetensors",
            "diffusers",
            marks=pytest.mark.filterwarnings("ignore:.*holds 2 tokens"),
        ),
    ],
)
def test_every_layout_is_baked_and_given_back(vocabularies, tmp_path, make, suffix, layout):
    source, baked, back = (
        tmp_path / f"cat{suffix}",
        tmp_path / "baked.safetensors",
        tmp_path / f"back{suffix}",
    )
    make(source)
    bake(source, baked, vocabularies, "cat")
    for before, after in zip(read_all(source), read_all(baked), strict=True):
        assert after.layout == layout
        assert after.placeholder == before.placeholder
        v = before.vectors["text_encoder"]
        expected = uc.adjust(v, vocabularies["text_encoder"].anchor_vector("cat"))
        assert after.vectors["text_encoder"].dtype == v.dtype
        assert torch.equal(after.vectors["text_encoder"], expected)
    assert unbake(baked, back) == back
    assert back.read_bytes() == source.read_bytes()


@settings(max_examples=25)
@given(alpha=st.floats(0, 1), beta=st.floats(0.01, 100), scale=st.floats(1e-3, 1e3))
def test_unbaking_undoes_every_baking(vocabularies, tmp_path_factory, alpha, beta, scale):
    folder = tmp_path_factory.getbasetemp()
    source = write(folder / "cat.safetensors", CAT.replace(vectors={"text_encoder": scale * ROWS}))
    baked = folder / "baked.safetensors"
    bake(source, baked, vocabularies, "cat", Adjustment(alpha, beta), overwrite=True)
    unbake(baked, folder / "back.safetensors", overwrite=True)
    assert (folder / "back.safetensors").read_bytes() == source.read_bytes()


def test_a_folder_is_baked_too(vocabularies, tmp_path):
    write(tmp_path / "cat" / "learned_embeds.bin", CAT.replace(metadata={}))
    bake(tmp_path / "cat", tmp_path / "baked.safetensors", vocabularies, "cat")
    assert is_baked(read(tmp_path / "baked.safetensors").metadata)
    for name in ("<new1>", "<new2>"):
        write(tmp_path / "two" / f"{name}.bin", CAT.replace(metadata={}))
    with pytest.raises(FileFormatError, match="2 embedding files"):
        bake(tmp_path / "two", tmp_path / "other.safetensors", vocabularies, "cat")


def test_nothing_is_overwritten_unless_asked(vocabularies, source, tmp_path):
    source = source.rename(tmp_path / "my-cat.safetensors")
    data = source.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        bake(source, source, vocabularies, "cat")
    assert source.read_bytes() == data
    bake(source, source, vocabularies, "cat", overwrite=True)
    assert source.read_bytes() != data
    with pytest.raises(OutputError, match="exists already"):
        unbake(source, source)
    unbake(source, source, overwrite=True)
    assert source.read_bytes() == data
    assert list(tmp_path.iterdir()) == [source]


def bundle(path):
    save_file({"bundle_emb.cat.emb_params": ROWS, "lora.weight": torch.ones(2)}, path)


def zero_row(path):
    write(path, CAT.replace(vectors={"text_encoder": torch.stack([ROWS[0], 0 * ROWS[0]])}))


def two_keys(path):
    write(path, LearnedEmbedding("<c>", {"clip_l": ROWS, "clip_g": WIDE}))


def wide(path):
    write(path, CAT.replace(vectors={"text_encoder": torch.randn(1, 1024)}))


@pytest.mark.parametrize(
    ("make", "anchor", "name", "error", "message"),
    [
        (
            bundle,
            "cat",
            "out.safetensors",
            FileFormatError,
            "holds more than embeddings.*Take the embedding out",
        ),
        (zero_row, "cat", "out.safetensors", EmbeddingError, "vector 1 of '<my-cat>' is zero"),
        (two_keys, "cat", "out.safetensors", FileFormatError, r"clip_l \(32\) and clip_g \(40\), but"),
        (wide, "cat", "out.safetensors", FileFormatError, "the width of Stable Diffusion 2"),
        (as_kohya, " ", "out.safetensors", AnchorError, "nothing to move toward"),
        (as_kohya, "cat", "out.pt", OutputError, "are written to .safetensors"),
        (as_kohya, "cat", "cat.safetensors/out.safetensors", OutputError, "Cannot write"),
    ],
)
def test_what_cannot_be_baked_is_named_and_nothing_is_written(
    vocabularies, tmp_path, make, anchor, name, error, message
):
    source = tmp_path / "cat.safetensors"
    make(source)
    with pytest.raises(error, match=message) as raised:
        bake(source, tmp_path / name, vocabularies, anchor)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == [source]


def test_baking_twice_is_refused(vocabularies, source, tmp_path):
    bake(source, tmp_path / "baked.safetensors", vocabularies, "cat")
    with pytest.raises(FileFormatError, match="baked already"):
        bake(tmp_path / "baked.safetensors", tmp_path / "twice.safetensors", vocabularies, "cat")


def test_what_cannot_be_unbaked_is_named(vocabularies, source, tmp_path):
    with pytest.raises(FileFormatError, match="not made by uncollapse bake"):
        unbake(source, tmp_path / "back.safetensors")
    baked = tmp_path / "baked.safetensors"
    bake(source, baked, vocabularies, "cat")
    with pytest.raises(OutputError, match=r"is a \.safetensors file"):
        unbake(baked, tmp_path / "back.pt")
    embedding = read(baked)
    whole = embedding.metadata["uncollapse.source_data"]
    for data in (base64.b64encode(b"other").decode(), whole[:-1], whole[:40] + "~" + whole[40:], "é", ""):
        damaged = {**embedding.metadata, "uncollapse.source_data": data}
        write(tmp_path / "edited.safetensors", embedding.replace(metadata=damaged))
        with pytest.raises(FileFormatError, match="the source it carries is damaged"):
            unbake(tmp_path / "edited.safetensors", tmp_path / "back.safetensors")
    assert not (tmp_path / "back.safetensors").exists()
