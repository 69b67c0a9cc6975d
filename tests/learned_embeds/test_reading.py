"""Every layout in which embeddings are handed around, made here as its program makes it, is read."""

import base64
import itertools
import pickle
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from toys.embedding_files import A1111, ROWS, Harmful, as_json, hide
from toys.pipelines import WIDTH, make_pipeline
from uncollapse.errors import EmbeddingError, FileFormatError, PlaceholderError
from uncollapse.learned_embeds import LearnedEmbedding, read, read_all
from uncollapse.learned_embeds.image import _mask

WIDE = torch.randn(3, 40, generator=torch.Generator().manual_seed(1))


def check(embedding, placeholder, vectors, layout):
    assert embedding.placeholder == placeholder
    assert embedding.layout == layout
    assert list(embedding.vectors) == list(vectors)
    for name, rows in vectors.items():
        assert embedding.vectors[name].dtype == rows.dtype
        assert torch.equal(embedding.vectors[name], rows)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize("rows", [ROWS, ROWS[0], ROWS.half(), ROWS.bfloat16()])
def test_diffusers(tmp_path, suffix, rows):
    path = tmp_path / f"file{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save({"<my-cat>": rows}, path)
    check(read(path), "<my-cat>", {"text_encoder": rows.reshape(-1, WIDTH)}, "diffusers")


def test_a_folder_holds_one_and_safetensors_come_first(tmp_path):
    with pytest.raises(FileFormatError, match=r"a folder without learned_embeds\.safetensors"):
        read(tmp_path)
    torch.save({"<bin>": ROWS}, tmp_path / "learned_embeds.bin")
    assert read(str(tmp_path)).placeholder == "<bin>"
    save_file({"<safe>": ROWS}, tmp_path / "learned_embeds.safetensors")
    assert read(tmp_path).placeholder == "<safe>"


def test_several_tokens_in_one_file(tmp_path):
    save_file({"<s0>": ROWS[0], "<s1>": ROWS[1]}, tmp_path / "cat.safetensors")
    check(read(tmp_path / "cat.safetensors", "<s1>"), "<s1>", {"text_encoder": ROWS[1:2]}, "diffusers")
    assert [each.placeholder for each in read_all(tmp_path / "cat.safetensors")] == ["<s0>", "<s1>"]
    with pytest.raises(PlaceholderError, match="holds 2 embeddings, '<s0>', '<s1>'"):
        read(tmp_path / "cat.safetensors")
    with pytest.raises(PlaceholderError, match="no embedding '<s2>', only '<s0>', '<s1>'"):
        read(tmp_path / "cat.safetensors", "<s2>")


def test_a1111(tmp_path):
    torch.save(A1111, tmp_path / "file.pt")
    found = read(tmp_path / "file.pt")
    check(found, "my-cat", {"text_encoder": ROWS}, "a1111")
    assert found.metadata == {"step": "500", "sd_checkpoint": "81761151"}
    torch.save({"string_to_param": {"*": ROWS}}, tmp_path / "own name.pt")
    assert read(tmp_path / "own name.pt").placeholder == "own name"


def test_the_first_textual_inversions(tmp_path):
    parameters = torch.nn.ParameterDict({"*": torch.nn.Parameter(ROWS)})
    torch.save(
        {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": parameters}, tmp_path / "cat.pt"
    )
    check(read(tmp_path / "cat.pt"), "cat", {"text_encoder": ROWS}, "a1111")


def test_a_picture_with_a_text_field(tmp_path):
    info = PngInfo()
    info.add_text("sd-ti-embedding", base64.b64encode(as_json(A1111)))
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png", pnginfo=info)
    check(read(tmp_path / "cat.png"), "my-cat", {"text_encoder": ROWS}, "a1111")


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_picture_with_hidden_pixels(tmp_path, suffix):
    picture = np.random.default_rng(0).integers(1, 256, (64, 64, 3), dtype=np.uint8)
    hidden = np.pad(hide(as_json(A1111), picture), [(5, 2), (3, 7), (0, 0)])  # as on a black page
    Image.fromarray(hidden).save(tmp_path / f"cat{suffix}", lossless=True)
    check(read(tmp_path / f"cat{suffix}"), "my-cat", {"text_encoder": ROWS}, "a1111")


def test_the_mask_is_the_one_in_use():
    published = [253, 242, 127, 44, 157, 27, 239, 133, 38, 79, 167, 4, 177]
    assert _mask(13).tolist() == [number & 15 for number in published]
    state, one_by_one = 0, []
    for _ in range(5000):
        state = (state * 1664525 + 1013904223) % 2**32
        one_by_one.append(state % 255 & 15)
    assert _mask(5000).tolist() == one_by_one


@pytest.mark.parametrize(
    "pixels", [np.zeros((9, 9, 3)), np.full((9, 9, 3), 255), np.eye(9)[..., None] * [200] * 3]
)
def test_a_picture_without_an_embedding_is_refused(tmp_path, pixels):
    Image.fromarray(np.broadcast_to(pixels, (9, 9, 3)).astype(np.uint8)).save(tmp_path / "cat.png")
    with pytest.raises(FileFormatError, match=r"cat\.png.*carries no embedding"):
        read(tmp_path / "cat.png")


def test_kohya(tmp_path):
    save_file({"emb_params": ROWS}, tmp_path / "my-cat.safetensors", metadata={"step": "9", "ss_seed": "1"})
    found = read(tmp_path / "my-cat.safetensors")
    check(found, "my-cat", {"text_encoder": ROWS}, "kohya")
    assert found.metadata == {"step": "9", "ss_seed": "1"}
    save_file({"emb_params": ROWS}, tmp_path / "other.safetensors", metadata={"name": "<cat>"})
    assert read(tmp_path / "other.safetensors").placeholder == "<cat>"


@pytest.mark.parametrize(
    ("keys", "encoders"),
    [
        (("clip_l", "clip_g"), ("clip_l", "clip_g")),
        (("text_encoders_0", "text_encoders_1"), ("clip_l", "clip_g")),
        (("clip_l", "t5"), ("clip_l", "t5xxl")),
        (("clip_l", "t5xxl"), ("clip_l", "t5xxl")),
        (("clip_l",), ("clip_l",)),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pti"])
def test_a_key_for_each_encoder(tmp_path, keys, encoders, suffix):
    rows = dict(zip(keys, (ROWS, WIDE), strict=False))
    save_file(rows, tmp_path / f"cat{suffix}")
    check(read(tmp_path / f"cat{suffix}"), "cat", dict(zip(encoders, rows.values(), strict=True)), "encoders")


def test_two_names_for_one_encoder_must_agree(tmp_path):
    save_file({"t5": ROWS, "t5xxl": ROWS.clone()}, tmp_path / "cat.safetensors")
    check(read(tmp_path / "cat.safetensors"), "cat", {"t5xxl": ROWS}, "encoders")
    save_file({"t5": ROWS, "t5xxl": 2 * ROWS}, tmp_path / "cat.safetensors")
    with pytest.raises(FileFormatError, match="different vectors for t5xxl"):
        read(tmp_path / "cat.safetensors")


def test_bundled_in_a_lora(tmp_path):
    entries = {
        "lora_unet_x.lora_down.weight": torch.ones(4, 4),
        "bundle_emb.<my cat v1.5>.string_to_param.*": ROWS,
        "bundle_emb.dog.clip_l": ROWS.clone(),
        "bundle_emb.dog.clip_g": WIDE.clone(),
        "bundle_emb.hat.emb_params": WIDE,
    }
    save_file(entries, tmp_path / "lora.safetensors", metadata={"ss_seed": "1"})
    found = {each.placeholder: each for each in read_all(tmp_path / "lora.safetensors")}
    check(found["<my cat v1.5>"], "<my cat v1.5>", {"text_encoder": ROWS}, "bundle")
    check(found["dog"], "dog", {"clip_l": ROWS, "clip_g": WIDE}, "bundle")
    check(found["hat"], "hat", {"text_encoder": WIDE}, "bundle")
    assert found["dog"].metadata == {"ss_seed": "1"}


@pytest.mark.parametrize("kind", ["tokens", "lora"])
@pytest.mark.parametrize("tokenizer", [True, False])
def test_peft_trainable_tokens(tmp_path, kind, tokenizer):
    pipe = make_pipeline()
    pipe.tokenizer.add_tokens(["<t>", "<dog>", "<t>_1"])
    first = pipe.tokenizer.convert_tokens_to_ids("<t>")
    pipe.text_encoder.resize_token_embeddings(first + 3, mean_resizing=False)
    ids = [first, first + 1, first + 2]
    if kind == "tokens":
        config = peft.TrainableTokensConfig(token_indices=ids, target_modules=["token_embedding"])
    else:
        config = peft.LoraConfig(target_modules=["q_proj"], trainable_token_indices={"token_embedding": ids})
    adapted = peft.get_peft_model(pipe.text_encoder, config)
    with torch.no_grad():
        next(p for n, p in adapted.named_parameters() if "trainable_tokens_delta" in n).copy_(ROWS)
        encoded = adapted.get_input_embeddings()(torch.tensor(ids))
    assert torch.equal(encoded, ROWS)  # so the "delta" is the rows themselves
    adapted.save_pretrained(tmp_path / "cat")
    if not tokenizer:
        check(read(tmp_path / "cat"), "cat", {"text_encoder": ROWS}, "peft")
        return
    pipe.tokenizer.save_pretrained(tmp_path / "cat")
    check(read(tmp_path / "cat", "<t>"), "<t>", {"text_encoder": ROWS[[0, 2]]}, "peft")
    check(read(tmp_path / "cat", "<dog>"), "<dog>", {"text_encoder": ROWS[1:2]}, "peft")


def test_custom_diffusion(tmp_path):
    weights = {
        "down.attn2.processor.to_k_custom_diffusion.weight": torch.ones(2, 2),
        "b_custom_diffusion": torch.ones(1),
    }
    torch.save(weights, tmp_path / "pytorch_custom_diffusion_weights.bin")
    with pytest.raises(FileFormatError, match=r"Custom Diffusion's weights; the embedding is in the \.bin"):
        read(tmp_path / "pytorch_custom_diffusion_weights.bin")
    for name, row in zip(("<new1>", "<new2>"), ROWS, strict=False):
        torch.save({name: row}, tmp_path / f"{name}.bin")
    check(read(tmp_path, "<new2>"), "<new2>", {"text_encoder": ROWS[1:2]}, "diffusers")
    delta = {"unet": {"weight": torch.ones(2)}, "modifier_token": {"<new1>": ROWS[0]}}
    torch.save(delta, tmp_path / "delta.bin")
    check(read(tmp_path / "delta.bin"), "<new1>", {"text_encoder": ROWS[:1]}, "custom-diffusion")


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_damaged_files_are_named(tmp_path, suffix):
    path = tmp_path / f"cat{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)({"<t>": ROWS}, path)
    whole = path.read_bytes()
    for damaged in (b"", b"not a file of tensors", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=f"cat{suffix}.*cannot be read") as error:
            read(path)
        assert "\n" not in str(error.value)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        read(tmp_path / "gone.safetensors")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4:UserWarning")  # torch, of a bare pickle
def test_pickles_that_hold_code_are_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cat.bin").write_bytes(pickle.dumps({"<t>": Harmful()}))
    torch.save({"<t>": Harmful()}, "cat.pt")
    parameters = torch.nn.ParameterDict({"*": torch.nn.Parameter(ROWS)})
    parameters.register_forward_hook(Harmful())
    torch.save({"string_to_param": parameters}, "hook.pt")
    for name in ("cat.bin", "cat.pt", "hook.pt"):
        with pytest.raises(FileFormatError, match="refused on purpose"):
            read(name)
    assert not Path("harm-done").exists()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "0 entries"),
        ({"a": torch.ones(2), "b": torch.ones(2)}, "2 entries .*'a', 'b'"),
        ({"x.lora_A.weight": torch.ones(2), "b": torch.ones(2)}, "It is a LoRA"),
        ({"<t>": torch.ones(2, 3, 4)}, r"shape \[2, 3, 4\]"),
        ({"<t>": torch.ones(2, 4, dtype=torch.long)}, "torch.int64"),
        ({"<t>": torch.ones(0, 4)}, r"shape \[0, 4\]"),
        ({"<t>": torch.tensor([[1.0, torch.nan]])}, "NaN or infinity"),
        ({"clip_l": torch.ones(1, 4), "clip_g": torch.tensor([torch.inf])}, "NaN or infinity"),
    ],
)
def test_other_contents_are_refused(tmp_path, entries, message):
    save_file(entries, tmp_path / "cat.safetensors")
    torch.save(entries, tmp_path / "cat.bin")
    for name in ("cat.safetensors", "cat.bin"):
        with pytest.raises(FileFormatError, match=f"{name}.*{message}"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (torch.ones(4), "a Tensor"),
        ({"state_dict": {"x": torch.ones(2)}}, "a dict under 'state_dict'"),
        ({"string_to_param": {"*": ROWS, "b": ROWS}}, "2 entries in string_to_param"),
    ],
)
def test_torch_files_of_something_else_are_refused(tmp_path, entries, message):
    torch.save(entries, tmp_path / "cat.pt")
    with pytest.raises(FileFormatError, match=f"cat.pt.*{message}"):
        read(tmp_path / "cat.pt")


def test_an_embedding_says_what_is_wrong_with_it():
    for vectors in ({}, {"clip_x": ROWS}, {"text_encoder": ROWS, "clip_l": ROWS}):
        with pytest.raises(EmbeddingError, match="the encoders are"):
            LearnedEmbedding("<t>", vectors)
    for name in ("", " ", None):
        with pytest.raises(EmbeddingError, match="placeholder"):
            LearnedEmbedding(name, {"clip_l": ROWS})


def test_of_a_large_file_only_the_embedding_is_read(tmp_path, monkeypatch):
    import safetensors

    entries = {"bundle_emb.cat.emb_params": ROWS} | {f"lora.{i}": torch.ones(2) for i in range(3)}
    save_file(entries, tmp_path / "lora.safetensors")
    taken = []

    class Watched:
        def __init__(self, *arguments, **options):
            self.file = opened(*arguments, **options)

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def __getattr__(self, name):
            return getattr(self.file, name)

        def get_tensor(self, name):
            taken.append(name)
            return self.file.get_tensor(name)

    opened = safetensors.safe_open
    monkeypatch.setattr(safetensors, "safe_open", Watched)
    assert read(tmp_path / "lora.safetensors").placeholder == "cat"
    assert taken == ["bundle_emb.cat.emb_params"]
    assert list(itertools.islice(entries, 1)) == taken
