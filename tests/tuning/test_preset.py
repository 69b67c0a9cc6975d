"""A preset says how, and refuses weights that it was not measured with."""

import json

import pytest
import torch

import uncollapse as uc
from toys.pipelines import add_lora, add_token, encode, make_pipeline, save_lora
from uncollapse.concept import Concept
from uncollapse.errors import FileFormatError, PipelineError
from uncollapse.tuning import Preset, read_preset
from uncollapse.tuning.preset import fingerprints

CONCEPT = Concept("sks cat", "cat", negative_encoder="base")
PROMPT = "a photo of sks cat in the snow"


@pytest.fixture
def preset(lora_pipe):
    return Preset(CONCEPT, "tea:alpha=0/1/1,beta=1", fingerprints(lora_pipe, CONCEPT), {"context": 0.9})


def test_a_file_gives_back_what_was_saved(preset, tmp_path):
    assert read_preset(preset.save(tmp_path / "preset.json")) == preset
    assert json.loads((tmp_path / "preset.json").read_text())["way"] == "tea:alpha=0/1/1,beta=1"


def test_one_of_before_a_setting_was_there_is_read(preset, tmp_path):
    path = preset.save(tmp_path / "preset.json")
    data = json.loads(path.read_text())
    del data["encoders"]
    path.write_text(json.dumps(data))
    assert read_preset(path) == preset


def test_it_draws_as_apply_does(preset, lora_pipe):
    with uc.apply(
        lora_pipe, "sks cat", anchor="cat", alpha=uc.ByRole(0, 1, 1), beta=1.0, negative_encoder="base"
    ):
        expected = encode(lora_pipe, PROMPT)[0]
    with preset.applied(lora_pipe) as pipe:
        assert torch.equal(encode(pipe, PROMPT)[0], expected)
    assert preset.adjuster == uc.Adjustment(uc.ByRole(0, 1, 1), 1.0)


def test_the_same_lora_from_a_file_fits_in_any_precision(preset, lora_pipe, tmp_path):
    again = make_pipeline()
    again.load_lora_weights(save_lora(lora_pipe, tmp_path), adapter_name="another_name")
    preset.check(again)
    for precision in (torch.float16, torch.bfloat16):
        preset.check(again.to(dtype=precision))


def test_other_weights_are_refused_unless_told(preset, lora_pipe):
    other = make_pipeline()
    add_lora(other, seed=2)
    with pytest.raises(PipelineError, match=r"text_encoder, unet differ"), preset.applied(other):
        pass
    with preset.applied(other, anyway=True):
        pass
    with pytest.raises(PipelineError, match="differ"):
        preset.check(make_pipeline())


def test_learned_rows_are_part_of_what_it_fits(pipe):
    add_token(pipe, "<t>", torch.ones(1, 32))
    concept = Concept("<t>", "cat")
    preset = Preset(concept, "tea", fingerprints(pipe, concept))
    preset.check(pipe)
    with torch.no_grad():
        row = pipe.tokenizer.convert_tokens_to_ids("<t>")
        pipe.text_encoder.get_input_embeddings().weight[row] *= 2
    with pytest.raises(PipelineError, match="learned rows differ"):
        preset.check(pipe)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data | {"kind": "other"}, "is no preset"),
        (lambda data: [data], "is no preset"),
        (lambda data: data | {"way": "nothing:at=all"}, "damaged preset.*none of"),
        (lambda data: data | {"way": "tea:alpha=7"}, "damaged preset.*out of range"),
        (lambda data: data | {"fits": 3}, "damaged preset"),
        (lambda data: data | {"level": "cellar"}, "damaged preset.*level"),
        (
            lambda data: {key: value for key, value in data.items() if key != "anchor"},
            "damaged preset.*anchor",
        ),
    ],
)
def test_a_file_that_is_none_is_named(preset, tmp_path, change, says):
    path = preset.save(tmp_path / "preset.json")
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(FileFormatError, match=says):
        read_preset(path)


@pytest.mark.parametrize("contents", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_named(tmp_path, contents):
    path = tmp_path / "preset.json"
    path.write_bytes(contents)
    with pytest.raises(FileFormatError, match=r"preset\.json: cannot be read"):
        read_preset(path)
