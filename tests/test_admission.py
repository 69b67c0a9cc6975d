"""What is damaged or meant to do harm is one sentence about the file, and costs neither memory nor time."""

import base64
import io
import json
import re
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from toys.embedding_files import A1111, ROWS, Harmful, as_json
from uncollapse.admission import check_tensors, is_there, json_from, reason, text_from, torch_from, unwrapped
from uncollapse.errors import EmbeddingError, FileFormatError, ForeignFileError
from uncollapse.learned_embeds import LearnedEmbedding, read, read_all

DEEP = "[" * 100_000 + "]" * 100_000
FEW = torch.ones(1, 4)
FOUR_BITS = torch.zeros(2, 16, dtype=torch.uint8)
if hasattr(torch, "float4_e2m1fn_x2"):  # since torch 2.8
    FOUR_BITS = FOUR_BITS.view(torch.float4_e2m1fn_x2)


def broken_parameters():
    parameters = torch.nn.ParameterDict({"*": ROWS})
    del parameters.__dict__["_keys"]
    return parameters


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"string_to_param": 3, "name": "cat"}, "string_to_param: is a int"),
        ({"string_to_param": [ROWS]}, "string_to_param: is a list"),
        ({"string_to_param": ROWS}, "string_to_param: is a Tensor"),
        ({"string_to_param": broken_parameters()}, "is a ParameterDict where"),
        ({"string_to_param": {7: ROWS}}, "keys that are no texts"),
        ({"string_to_param": {"*": None}}, "a NoneType under"),
        ({"modifier_token": 3}, "modifier_token: is a int"),
        ({"modifier_token": {}}, "no vectors of an embedding"),
        ({"bundle_emb.": ROWS}, "no vectors of an embedding"),
        ({"bundle_emb.cat": ROWS}, "no vectors of an embedding"),
        ({"bundle_emb.cat.string_to_param": ROWS}, "string_to_param: is a Tensor"),
        ({7: ROWS}, "keys that are no texts"),
        ({}, "no learned embedding"),
        ({"<t>": ROWS.to_sparse()}, "sparse"),
        ({"<t>": torch.empty(2, 32, device="meta")}, "shell of a tensor"),
        ({"<t>": ROWS.to(torch.float8_e4m3fn)}, "floating point of 16 bits or more"),
        ({"<t>": FOUR_BITS}, "floating point of 16 bits or more"),
        (
            {"state_dict": {"cond_stage_model.a": ROWS}, "step": 1},
            "It is a whole model: that goes with model,",
        ),
        ({"model.diffusion_model.a": ROWS, "model_ema.b": ROWS}, "It is a whole model"),
        ({"<t>": torch.ones(1).expand(30_000, 22_500)}, "more numbers than the file"),
        ({"string_to_param": {"*": torch.ones(1).expand(30_000, 22_500)}}, "more numbers than the file"),
    ],
)
def test_odd_contents_are_named(tmp_path, entries, says):
    torch.save(entries, tmp_path / "cat.pt")
    with pytest.raises(FileFormatError, match=f"cat.pt: .*{says}") as error:
        read_all(tmp_path / "cat.pt")
    assert len(str(error.value)) < 400


def test_odd_fields_of_an_ordinary_file_are_left_out(tmp_path):
    odd = A1111 | {"step": 10**300, "sd_checkpoint": [[[]]], "sd_checkpoint_name": "sd"}
    torch.save(odd, tmp_path / "cat.pt")
    assert read(tmp_path / "cat.pt").metadata == {"sd_checkpoint_name": "sd"}


@pytest.mark.parametrize("rows", [ROWS.to(torch.float8_e5m2), ROWS.to(torch.int32), FOUR_BITS])
def test_safetensors_of_few_bits_are_named(tmp_path, rows):
    save_file({"<t>": rows}, tmp_path / "cat.safetensors")
    with pytest.raises(FileFormatError, match="floating point of 16 bits or more"):
        read(tmp_path / "cat.safetensors")
    with pytest.raises(EmbeddingError):
        LearnedEmbedding("<t>", {"clip_l": ROWS.to_sparse()})


def test_a_torch_file_that_unfolds_is_not_unfolded(tmp_path):
    made = io.BytesIO()
    torch.save({"<t>": torch.zeros(1000, 768)}, made)
    with (
        zipfile.ZipFile(made) as plain,
        zipfile.ZipFile(tmp_path / "cat.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(FileFormatError, match=r"cat\.pt: .*entries are compressed"):
        read(tmp_path / "cat.pt")


def test_a_damaged_file_is_named_in_whole_words_and_without_dangerous_advice(tmp_path):
    torch.save({"<t>": Harmful()}, tmp_path / "code.pt")
    (tmp_path / "text.pt").write_bytes(b"no embedding")
    for name in ("code.pt", "text.pt"):
        with pytest.raises(FileFormatError, match="refused on purpose") as error:
            read(tmp_path / name)
        assert "weights_only" not in str(error.value)
        assert not re.search(r"option|trust|re-running", str(error.value))
    assert reason(ValueError("word " * 100)).endswith("word ….")
    assert reason(ValueError()) == "ValueError."


def test_a_checkpoint_that_cannot_be_read_is_called_one(tmp_path):
    torch.save({"callbacks": Harmful()}, tmp_path / "model.ckpt")
    with pytest.raises(FileFormatError, match=r"code, .* A \.ckpt file is a whole model as a rule\.$"):
        read(tmp_path / "model.ckpt")


def test_whole_files_of_something_else_are_told_from_damaged_ones(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "preview.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "damaged.png", pnginfo=as_text(b"{"))
    save_file({"lora_a": ROWS, "lora_b": ROWS + 1}, tmp_path / "lora.safetensors")
    (tmp_path / "short.safetensors").write_bytes((tmp_path / "lora.safetensors").read_bytes()[:-8])
    torch.save([1, 2], tmp_path / "list.pt")
    save_file({"<t>": torch.full((1, 4), torch.nan)}, tmp_path / "nan.safetensors")
    kinds = {}
    for path in tmp_path.iterdir():
        with pytest.raises(FileFormatError) as error:
            read_all(path)
        kinds[path.stem] = error.type
    foreign = {name for name, kind in kinds.items() if kind is ForeignFileError}
    assert foreign == {"preview", "lora", "list"}
    assert set(kinds) - foreign == {"damaged", "short", "nan"}


def as_text(data: bytes) -> PngInfo:
    info = PngInfo()
    info.add_text("sd-ti-embedding", base64.b64encode(data).decode())
    return info


@pytest.mark.parametrize(
    "data",
    [
        DEEP.encode(),
        b'{"string_to_param": {"*": {"TORCHTENSOR": ' + DEEP[99_900:100_100].encode() + b"}}}",
        b'{"string_to_param": {"*": {"TORCHTENSOR": ["a", null]}}}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": [[1], [1, 2]]}}}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": {}}}}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": 1%s}}}' % (b"0" * 400),
        b'{"string_to_param": null}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": [[NaN]]}}}',
        b"\xff\xfe",
        b" " * (17 * 2**20),
    ],
    ids=range(10),
)
def test_a_picture_with_odd_json_is_named(tmp_path, data):
    Image.new("RGB", (4, 4)).save(tmp_path / "cat.png", pnginfo=as_text(data))
    with pytest.raises(FileFormatError, match=r"cat\.png: "):
        read(tmp_path / "cat.png")


def test_a_picture_whose_text_holds_an_embedding_is_still_read(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "cat.png", pnginfo=as_text(as_json(A1111)))
    assert torch.equal(read(tmp_path / "cat.png").vectors["text_encoder"], ROWS)


@pytest.mark.thorough
@pytest.mark.parametrize("size", [(2048, 4096), (9000, 9000)])
def test_large_pictures_with_black_gutters_take_no_time(tmp_path, size):
    pixels = np.full((*size, 3), 255, np.uint8)
    pixels[:, [size[1] // 2 - 9, size[1] // 2 + 9]] = 16
    Image.fromarray(pixels).save(tmp_path / "cat.png", compress_level=1)
    start = time.process_time()
    with pytest.raises(FileFormatError, match="carries no embedding"):
        read(tmp_path / "cat.png")
    assert time.process_time() - start < 4


def test_json_too_deep_is_an_ordinary_error():
    with pytest.raises(ValueError, match="too deeply"):
        json_from(DEEP)
    assert json_from(b'{"a": 1}') == {"a": 1}


def test_what_is_endless_is_read_to_a_limit():
    with pytest.raises(ValueError, match="longer than"):
        text_from(Path("/dev/zero"))


def test_a_name_longer_than_the_system_takes_names_nothing(tmp_path):
    assert not is_there(tmp_path / ("a" * 300))
    with pytest.raises(FileFormatError, match="no such file"):
        read(tmp_path / ("a" * 300))


def test_a_hub_id_is_not_downloaded():
    with pytest.raises(FileFormatError, match="nothing is downloaded by its hub id here"):
        read("concepts-library/cat-toy")


def test_peft_settings_too_deep_to_read_leave_the_folder_its_name(tmp_path):
    folder = tmp_path / "cat"
    folder.mkdir()
    save_file({"a.trainable_tokens_delta": FEW}, folder / "adapter_model.safetensors")
    for config, tokenizer in ((DEEP, "{}"), ("[]", json.dumps({"added_tokens": []})), ("{}", DEEP)):
        (folder / "adapter_config.json").write_text(config)
        (folder / "tokenizer.json").write_text(tokenizer)
        assert read(folder).placeholder == "cat"


def test_ordinary_torch_files_pass_old_ones_too(tmp_path):
    entries = {"a": torch.randn(3, 4).T, "b": [torch.arange(3)[1:]]}
    for name, zipped in (("new.pt", True), ("old.pt", False)):
        torch.save(entries, tmp_path / name, _use_new_zipfile_serialization=zipped)
        for mmap in (False, True):
            found = torch_from(tmp_path / name, mmap)
            check_tensors(found, tmp_path / name)
            assert torch.equal(found["a"], entries["a"])


def test_weights_are_taken_out_of_what_trainers_wrap_them_in():
    weights = {"a": FEW}
    assert unwrapped(weights) is weights
    assert unwrapped({"epoch": 3, "state_dict": {"state_dict": weights}}) is weights
    itself = {}
    itself["state_dict"] = itself
    assert unwrapped(itself) is itself


def test_what_lies_in_itself_a_thousand_times_is_looked_at_once(tmp_path):
    file = tmp_path / "cat.pt"
    file.write_bytes(b" " * 100)
    knot: list = []
    knot += [knot] * 1000
    check_tensors({"a": knot, "b": torch.ones(2)}, file)
    knot.append(torch.ones(1).expand(1000))
    with pytest.raises(FileFormatError, match="more numbers than the file"):
        check_tensors({"a": knot}, file)
