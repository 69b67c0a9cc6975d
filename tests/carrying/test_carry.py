"""A baked LoRA does in plain diffusers what the adjustment does, says how nearly, and can be undone."""

import json
import warnings

import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file

import uncollapse as uc
from toys.pipelines import add_lora, add_token, encode, make_pipeline, save_lora
from uncollapse.carrying import FitSettings, bake_lora, holds_lora, unbake_lora, work
from uncollapse.carrying.fitting import aims, fit, linears
from uncollapse.comparison import Arm, parse_arm
from uncollapse.components import adapters_scaled
from uncollapse.errors import (
    AdjustmentError,
    FileFormatError,
    ForeignFileError,
    OutputError,
    PipelineError,
    PlaceholderError,
    UncollapseWarning,
)
from uncollapse.models.loading import load_lora
from uncollapse.training.lora_files import as_kohya
from uncollapse.weight_files import opened

CONCEPT = uc.Concept("sks cat", "cat")
WAY = parse_arm("tea:alpha=0/1/1,beta=1")
QUICK = FitSettings(rank=4, captions=32, steps=40, batch=16, measured=8, lr=1e-2)
FEW = FitSettings(rank=4, captions=8, steps=8, batch=8, measured=4)
FRESH = ["a photo of sks cat on the beach", "a sks cat wearing a red hat", "the canyon and a big sks cat"]
ATTENTION = ["q_proj", "k_proj", "v_proj", "out_proj"]
STATED = {"instance_prompt": "a photo of sks cat", "format": "pt"}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A LoRA file, in half precision, that states what it was trained on."""
    pipe, folder = make_pipeline(), tmp_path_factory.mktemp("lora")
    add_lora(pipe)
    tensors = {name: each.half() for name, each in opened(save_lora(pipe, folder))[0].items()}
    save_file(tensors, folder / "cat.safetensors", STATED)
    return folder / "cat.safetensors"


def personalised(lora):
    pipe = make_pipeline()
    load_lora(pipe, lora)
    return pipe


def bake(source, output, arm=WAY, concept=CONCEPT, settings=QUICK, **how):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*of the adjustment only", UncollapseWarning)
        return bake_lora(source, output, personalised(source), concept, arm, settings, **how)


@pytest.fixture(scope="module")
def baked(source, tmp_path_factory):
    output = tmp_path_factory.mktemp("baked") / "cat-tea.safetensors"
    steps = []
    found = bake(source, output, advance=steps.append)
    assert sum(steps) == work(QUICK)
    return found


def as_kohya_file(source, output):
    kinds = {"text_encoder": "lora_linear_layer", "unet": "lora"}
    plain = {
        name.replace("lora_A", f"{kind}.down").replace("lora_B", f"{kind}.up"): each
        for part, kind in kinds.items()
        for name, each in load_file(source).items()
        if name.startswith(part)
    }
    save_file(as_kohya(plain), output)
    return output


def distance(one, other):
    return (one - other).square().sum().item()


def test_plain_diffusers_draws_with_what_was_fitted(source, baked):
    """On prompts that nobody fitted, and against ``apply``, which knows nothing of the fit."""
    ours, plain = personalised(baked.output), personalised(source)
    before = encode(plain, FRESH)[0]
    with uc.apply(plain, uc.Concept("sks cat", "cat", adjuster=WAY.adjuster)):
        wanted = encode(plain, FRESH)[0]
    carried = 1 - distance(encode(ours, FRESH)[0], wanted) / distance(before, wanted)
    assert carried > 0.5
    assert carried == pytest.approx(baked.carried, abs=0.25)
    assert ours.unet.state_dict().keys() == plain.unet.state_dict().keys()


def test_what_is_said_is_what_the_file_does(source, baked):
    """The report is measured on the weights as they are written, in half precision."""
    assert baked.fitted
    assert set(baked.by_role) == {"concept", "context", "rest"}
    assert baked.by_role["concept"][0] == 0  # α by role leaves it where it is
    for role in ("context", "rest"):
        assert baked.by_role[role][1] < baked.by_role[role][0]
    assert 0 < baked.others_moved < 1
    assert (baked.rank_own, baked.rank_added, baked.layers) == (4, 4, 12)
    metadata = opened(baked.output)[1]
    assert metadata["uncollapse.way"] == "tea:alpha=0/1/1,beta=1,norm_blend=none"
    assert metadata["uncollapse.carried"] == f"{baked.carried:.3f}"
    assert metadata["instance_prompt"] == STATED["instance_prompt"]
    dtypes = {each.dtype for each in load_file(baked.output).values()}
    assert dtypes == {torch.float16}


def test_unbaking_gives_every_bit_and_the_metadata_back(source, baked, tmp_path):
    back = unbake_lora(baked.output, tmp_path / "back.safetensors")
    one, other = load_file(source), load_file(back)
    assert one.keys() == other.keys()
    assert all(one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one)
    with safe_open(back, "pt") as file:
        assert file.metadata() == STATED


def test_a_file_that_was_changed_or_never_baked_is_not_unbaked(source, baked, tmp_path):
    with pytest.raises(ForeignFileError, match="nothing to undo"):
        unbake_lora(source, tmp_path / "back.safetensors")
    tensors, metadata = opened(baked.output)
    name = next(name for name in tensors if name.startswith("unet"))
    save_file({**tensors, name: tensors[name] + 1}, tmp_path / "changed.safetensors", metadata)
    with pytest.raises(FileFormatError, match="changed after it was baked"):
        unbake_lora(tmp_path / "changed.safetensors", tmp_path / "back.safetensors")
    assert [each.name for each in tmp_path.iterdir()] == ["changed.safetensors"]


def test_a_lora_without_a_text_half_gets_one(source, tmp_path):
    tensors = {name: each for name, each in load_file(source).items() if name.startswith("unet")}
    save_file(tensors, tmp_path / "unet.safetensors")
    found = bake(tmp_path / "unet.safetensors", tmp_path / "tea.safetensors", settings=FEW)
    assert (found.rank_own, found.rank_added, found.layers) == (0, 4, 12)
    assert found.by_role["rest"][1] < found.by_role["rest"][0]
    assert any(name.startswith("text_encoder.") for name in load_file(found.output))
    personalised(found.output)
    back = unbake_lora(found.output, tmp_path / "back.safetensors")
    assert load_file(back).keys() == tensors.keys()


@pytest.mark.parametrize(
    ("way", "layout"), [("lora:text=0.25", "diffusers"), ("lora:text=0,denoiser=0.5", "kohya")]
)
def test_a_lora_turned_down_is_baked_exactly(source, tmp_path, way, layout):
    if layout == "kohya":
        source = as_kohya_file(source, tmp_path / "kohya.safetensors")
    arm = parse_arm(way)
    found = bake(source, tmp_path / "less.safetensors", arm)
    assert (found.carried, found.fitted) == (1.0, False)
    ours, plain = personalised(found.output), personalised(source)
    with adapters_scaled("it", [plain.text_encoder], arm.text_lora):
        assert torch.allclose(encode(ours, FRESH)[0], encode(plain, FRESH)[0], atol=2e-3)
    given = torch.randn(1, 4, 8, 8), 500, torch.randn(1, 24, 32)
    with torch.no_grad(), adapters_scaled("it", [plain.unet], arm.denoiser_lora):
        assert torch.allclose(ours.unet(*given).sample, plain.unet(*given).sample, atol=2e-3)
    back = unbake_lora(found.output, tmp_path / "back.safetensors")
    one, other = load_file(source), load_file(back)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_in_kohyas_layout_it_does_the_same_and_comes_back_in_its_own(source, tmp_path):
    """The source states a scale of two, in diffusers' way."""
    stated = {"text_encoder.r": 4, "text_encoder.lora_alpha": 8, "text_encoder.target_modules": ATTENTION}
    stated |= {"unet.r": 4, "unet.lora_alpha": 4, "unet.target_modules": ["to_k", "to_q", "to_v", "to_out.0"]}
    metadata = {"lora_adapter_metadata": json.dumps(stated)}
    save_file(load_file(source), tmp_path / "stated.safetensors", metadata)
    plain, kohya = (
        bake(
            tmp_path / "stated.safetensors",
            tmp_path / f"{name}.safetensors",
            settings=FEW,
            kohya=name == "kohya",
        )
        for name in ("plain", "kohya")
    )
    assert any(name.startswith("lora_te_text_model_") for name in load_file(kohya.output))
    one, other = (personalised(each.output) for each in (plain, kohya))
    assert not torch.allclose(encode(one, FRESH)[0], encode(personalised(source), FRESH)[0], atol=1e-2)
    assert torch.allclose(encode(one, FRESH)[0], encode(other, FRESH)[0], atol=1e-5)
    back = unbake_lora(kohya.output, tmp_path / "back.safetensors")
    assert back.read_bytes() == unbake_lora(plain.output, tmp_path / "again.safetensors").read_bytes()
    with safe_open(back, "pt") as file:
        assert file.metadata() == {"format": "pt", **metadata}
    own, again = load_file(source), load_file(back)
    assert own.keys() == again.keys()
    assert all(torch.equal(own[name], again[name]) for name in own)
    unbaked = as_kohya_file(source, tmp_path / "own.safetensors")
    with pytest.raises(AdjustmentError, match="kohya's layout already"):
        bake(unbaked, tmp_path / "no.safetensors", parse_arm("lora:text=0"), kohya=True)


def test_the_fit_begins_where_the_own_half_is_off(source):
    pipe = personalised(source)
    few = aims(pipe, CONCEPT, ["a {} on the beach"])
    pair = torch.randn(6, 32), torch.randn(32, 6)
    key = next(iter(linears(pipe)))
    part = fit(pipe, {key: pair}, few, few, FitSettings(rank=6, steps=1, lr=0.0))
    assert torch.allclose(part[key][1] @ part[key][0], pair[1] @ pair[0], atol=1e-5)
    nearest = fit(pipe, {key: pair}, few, few, FitSettings(rank=4, steps=1, lr=0.0))
    expected = torch.linalg.svdvals((pair[1] @ pair[0]).double())[4:].square().sum().item()
    assert distance(nearest[key][1] @ nearest[key][0], pair[1] @ pair[0]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("arm", "says"),
    [
        (parse_arm("switch:until=0.3"), "changes from step to step"),
        (Arm("base", personalised=False), "no adjuster and no LoRA turned down"),
        (Arm("plain", call={"guidance_scale": 2}), "no adjuster and no LoRA turned down"),
    ],
)
def test_what_no_file_can_carry_is_refused(source, tmp_path, arm, says):
    with pytest.raises(AdjustmentError, match=says):
        bake(source, tmp_path / "tea.safetensors", arm)
    assert not list(tmp_path.iterdir())


def test_wrong_input_is_refused_in_a_sentence_and_nothing_is_written(source, baked, tmp_path):
    output = tmp_path / "tea.safetensors"
    with pytest.raises(FileFormatError, match="baked already"):
        bake(baked.output, output)
    with pytest.raises(OutputError, match="exists already"):
        bake(source, source)
    with pytest.raises(PlaceholderError, match="was trained on 'a photo of sks cat'"):
        bake(source, output, concept=uc.Concept("ohwx cat", "cat"))
    save_file(load_file(source), tmp_path / "silent.safetensors")
    with pytest.raises(PlaceholderError, match="no room for more"):
        bake(tmp_path / "silent.safetensors", output, concept=uc.Concept("x " * 30, "cat"))
    with pytest.raises(AdjustmentError, match="changes no prompt"):
        bake(source, output, parse_arm("tea:alpha=0,beta=none"), settings=FitSettings(captions=8, steps=1))
    learned = personalised(source)
    add_token(learned, "<t>", torch.ones(1, 32))
    with pytest.raises(PlaceholderError, match="is a learned token"):
        bake_lora(
            tmp_path / "silent.safetensors", output, learned, uc.Concept("<t>", "cat"), parse_arm("tea")
        )
    with_t5 = personalised(source)
    with_t5.text_encoder.config.model_type = "t5"
    with pytest.raises(PipelineError, match="with t5, and LoRA files have a part for CLIP"):
        bake_lora(source, output, with_t5, CONCEPT, WAY, QUICK)
    assert not output.exists()


def test_what_would_not_be_turned_down_with_the_rest_is_refused(source, tmp_path):
    name = next(name for name in load_file(source) if name.startswith("unet") and "lora_B" in name)
    more = {**load_file(source), name.replace("lora_B.weight", "lora_magnitude_vector"): torch.ones(16)}
    save_file(more, tmp_path / "dora.safetensors")
    with pytest.raises(ForeignFileError, match="not turned down with the rest"):
        bake_lora(
            tmp_path / "dora.safetensors",
            tmp_path / "no.safetensors",
            None,
            CONCEPT,
            parse_arm("lora:denoiser=0"),
        )


def test_little_is_warned_of(source, tmp_path):
    few = FitSettings(rank=1, captions=8, steps=1, batch=4, measured=8, lr=0.0)
    with pytest.warns(UncollapseWarning, match="of the adjustment only"):
        bake_lora(source, tmp_path / "tea.safetensors", personalised(source), CONCEPT, WAY, few)


def test_a_lora_is_told_from_other_files(source, tmp_path):
    assert holds_lora(source)
    save_file({"<my-cat>": torch.ones(1, 32)}, tmp_path / "cat.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    assert not any(map(holds_lora, [*tmp_path.iterdir(), tmp_path, tmp_path / "absent.pt"]))
