"""Embedding files: what is written is read, by diffusers too; what is damaged is named."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from conftest import WIDTH, assert_same_state, encode, make_pipeline, state_of
from uncollapse import learned_embeds
from uncollapse.errors import FileFormatError, OutputError, PipelineError, PlaceholderError


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize("shape", [(WIDTH,), (1, WIDTH), (4, WIDTH)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_what_is_written_is_read(tmp_path, suffix, shape, dtype):
    vectors = torch.randn(shape).to(dtype)
    path = learned_embeds.write(tmp_path / "new" / f"cat{suffix}", "<my-cat>", vectors)
    placeholder, found = learned_embeds.read(path)
    assert placeholder == "<my-cat>"
    assert found.dtype == dtype
    assert torch.equal(found, vectors.reshape(-1, WIDTH))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_metadata_is_kept_beside_the_tensor(tmp_path):
    path = learned_embeds.write(
        tmp_path / "cat.safetensors", "<t>", torch.ones(2, 4), {"uncollapse.alpha": "0.2"}
    )
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt", "uncollapse.alpha": "0.2"}


def test_a_folder_holds_one_and_safetensors_come_first(tmp_path):
    with pytest.raises(FileFormatError, match=r"a folder without learned_embeds\.safetensors"):
        learned_embeds.read(tmp_path)
    learned_embeds.write(tmp_path / "learned_embeds.bin", "<bin>", torch.ones(4))
    assert learned_embeds.read(str(tmp_path))[0] == "<bin>"
    learned_embeds.write(tmp_path / "learned_embeds.safetensors", "<safe>", torch.ones(4))
    assert learned_embeds.read(tmp_path)[0] == "<safe>"


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_damaged_files_are_named(tmp_path, suffix):
    path = learned_embeds.write(tmp_path / f"cat{suffix}", "<t>", torch.randn(4, WIDTH))
    whole = path.read_bytes()
    for damaged in (b"", b"not a file of tensors", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=f"cat{suffix}.*cannot be read"):
            learned_embeds.read(path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        learned_embeds.read(tmp_path / "gone.safetensors")


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm-done",)


def test_pickles_that_hold_code_are_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cat.bin").write_bytes(pickle.dumps({"<t>": Harmful()}))
    torch.save({"<t>": Harmful()}, "cat.pt")
    for name in ("cat.bin", "cat.pt"):
        with pytest.raises(FileFormatError, match="refused on purpose"):
            learned_embeds.read(name)
    assert not Path("harm-done").exists()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "0 entries"),
        ({"clip_l": torch.ones(2, 768), "clip_g": torch.ones(2, 1280)}, "2 entries .*'clip_g', 'clip_l'"),
        ({"<t>": torch.ones(2, 3, 4)}, r"shape \[2, 3, 4\]"),
        ({"<t>": torch.ones(2, 4, dtype=torch.long)}, "torch.int64"),
        ({"<t>": torch.ones(0, 4)}, r"shape \[0, 4\]"),
        ({"<t>": torch.tensor([[1.0, torch.nan]])}, "NaN or infinity"),
        ({"<t>": torch.tensor([torch.inf])}, "NaN or infinity"),
    ],
)
def test_other_contents_are_refused(tmp_path, entries, message):
    save_file(entries, tmp_path / "cat.safetensors")
    torch.save(entries, tmp_path / "cat.bin")
    for name in ("cat.safetensors", "cat.bin"):
        with pytest.raises(FileFormatError, match=message):
            learned_embeds.read(tmp_path / name)


def test_a_file_that_holds_no_dictionary_is_refused(tmp_path):
    torch.save(torch.ones(4), tmp_path / "cat.bin")
    with pytest.raises(FileFormatError, match="a Tensor"):
        learned_embeds.read(tmp_path / "cat.bin")


def test_places_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        learned_embeds.write(tmp_path / "file" / "cat.safetensors", "<t>", torch.ones(4))
    for path, metadata in (("cat.txt", None), ("cat.bin", {"a": "b"})):
        with pytest.raises(OutputError, match="safetensors"):
            learned_embeds.write(tmp_path / path, "<t>", torch.ones(4), metadata)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("count", [1, 3])
def test_loading_is_what_diffusers_does(pipe, tmp_path, count):
    path = learned_embeds.write(tmp_path / "cat.safetensors", "<my-cat>", torch.randn(count, WIDTH))
    assert learned_embeds.load_into(pipe, path) == "<my-cat>"
    other = make_pipeline()
    other.load_textual_inversion(str(tmp_path), weight_name="cat.safetensors")
    assert torch.equal(encode(pipe, "a <my-cat>")[0], encode(other, "a <my-cat>")[0])
    assert not torch.equal(encode(pipe, "a <my-cat>")[0], encode(pipe, "a cat")[0])


def test_loading_under_another_name(pipe, tmp_path):
    path = learned_embeds.write(tmp_path / "cat.bin", "*", torch.randn(2, WIDTH))
    assert learned_embeds.load_into(pipe, path, placeholder="<own>") == "<own>"
    assert {"<own>", "<own>_1"} <= set(pipe.tokenizer.get_added_vocab())


def test_loading_refuses_and_leaves_the_pipeline_alone(pipe, tmp_path):
    before, vocabulary = state_of(pipe), pipe.tokenizer.get_vocab()
    wide = learned_embeds.write(tmp_path / "sd2.safetensors", "<t>", torch.randn(1024))
    with pytest.raises(
        FileFormatError, match=r"1024 components, the width of Stable Diffusion 2.*tokens have 32"
    ):
        learned_embeds.load_into(pipe, wide)
    fits = learned_embeds.write(tmp_path / "cat.safetensors", "<t>", torch.randn(2, WIDTH))
    for name, message in (("cat", "has 'cat' already"), ("my cat", "one word"), ("<|endoftext|>", "already")):
        with pytest.raises(PlaceholderError, match=message.replace("|", r"\|")):
            learned_embeds.load_into(pipe, fits, placeholder=name)
    with pytest.raises(PipelineError, match="no load_textual_inversion"):
        learned_embeds.load_into(object(), fits)
    assert_same_state(before, state_of(pipe))
    assert pipe.tokenizer.get_vocab() == vocabulary
    learned_embeds.load_into(pipe, fits)
    with pytest.raises(PlaceholderError, match="has '<t>' already"):
        learned_embeds.load_into(pipe, fits)
