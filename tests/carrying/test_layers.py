"""A LoRA file's layers are found in every layout, and what is added to them adds up."""

import json

import pytest
import torch

from toys.pipelines import add_lora, make_pipeline, save_lora
from uncollapse.carrying.layers import DENOISER, STATED, is_lora, layers_of, with_added
from uncollapse.errors import FileFormatError, ForeignFileError
from uncollapse.training.lora_files import as_kohya, with_text_model
from uncollapse.weight_files import opened

Q = "encoder.layers.0.self_attn.q_proj"
FC = "encoder.layers.1.mlp.fc2"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    pipe = make_pipeline()
    add_lora(pipe)
    tensors = with_text_model(opened(save_lora(pipe, tmp_path_factory.mktemp("lora")))[0])
    return {_of_diffusers(name): tensor for name, tensor in tensors.items()}


def _of_diffusers(name):
    kind = "lora_linear_layer" if name.startswith("text_encoder") else "lora"
    return name.replace("lora_A", f"{kind}.down").replace("lora_B", f"{kind}.up")


def in_layout(tensors, layout):
    """The same LoRA in another layout, of kohya's with a scale of two."""
    if layout == "kohya":
        found = as_kohya(tensors)
        return {name: 2 * each if name.endswith(".alpha") else each for name, each in found.items()}
    if layout == "PEFT":
        kinds = {"lora_linear_layer.down": "lora_A", "lora_linear_layer.up": "lora_B"}
        kinds |= {"lora.down": "lora_A", "lora.up": "lora_B"}
        for old, new in kinds.items():
            tensors = {name.replace(old, new): each for name, each in tensors.items()}
    return dict(tensors)


def deltas(tensors, metadata=None):
    """s·B·A of every layer, in float64."""
    return {
        (each.part, each.module): each.scale * each.B.double().flatten(1) @ each.A.double().flatten(1)
        for each in layers_of("it", tensors, metadata or {})
    }


def added(rank=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(rank, 32, generator=generator), torch.randn(32, rank, generator=generator)
    fc = torch.randn(rank, 64, generator=generator), torch.randn(32, rank, generator=generator)
    return {("text_encoder", Q): q, ("text_encoder", FC): fc}


@pytest.mark.parametrize("layout", ["diffusers", "PEFT", "kohya"])
def test_what_is_added_adds_up_and_leaves_the_own_bits(plain, layout):
    tensors = in_layout(plain, layout)
    before = deltas(tensors)
    assert {part for part, _ in before} == {"text_encoder", DENOISER}
    layers, more = layers_of("it", tensors, {}), added()
    made, _ = with_added(tensors, {}, layers, more)
    after = deltas(made)
    for key in after:
        expected = before.get(key, 0.0)
        if key in more:
            A, B = more[key]
            expected = expected + B.double() @ A.double()
        assert torch.allclose(after[key], torch.as_tensor(expected), rtol=1e-5, atol=1e-6), key
    assert set(after) == set(before) | set(more)
    for layer in layers:
        A, B = (made[f"{layer.stem}.{kind}.weight"] for kind in (layer.down, layer.up))
        assert torch.equal(A[: layer.rank], layer.A)
        assert torch.equal(B[:, : layer.rank], layer.B)


def test_new_layers_are_called_as_the_files_own(plain):
    for layout, name in {
        "diffusers": f"text_encoder.text_model.{FC}.lora_linear_layer.down.weight",
        "PEFT": f"text_encoder.text_model.{FC}.lora_A.weight",
        "kohya": "lora_te_text_model_encoder_layers_1_mlp_fc2.lora_down.weight",
    }.items():
        tensors = in_layout(plain, layout)
        made, _ = with_added(tensors, {}, layers_of("it", tensors, {}), added())
        assert name in made
    two = {("text_encoder_2", Q): added()["text_encoder", Q], **added()}
    made, _ = with_added(tensors, {}, [x for x in layers_of("it", tensors, {}) if x.part == DENOISER], two)
    assert "lora_te1_text_model_encoder_layers_1_mlp_fc2.alpha" in made
    assert "lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight" in made


@pytest.mark.parametrize("layout", ["diffusers", "kohya"])
def test_ranks_and_scales_are_alike(plain, layout):
    """With transformers 5, diffusers takes the most common alpha of a file of kohya's for all."""
    tensors = in_layout(plain, layout)
    made, _ = with_added(tensors, {}, layers_of("it", tensors, {}), added(3))
    now = [layer for layer in layers_of("it", made, {}) if layer.module in (Q, FC)]
    assert [(layer.rank, layer.scale) for layer in now] == [(4 + 3, 2.0 if layout == "kohya" else 1.0)] * 2


def test_what_diffusers_states_in_metadata_is_kept_true(plain):
    stated = {"text_encoder.r": 4, "text_encoder.lora_alpha": 8, "text_encoder.target_modules": ["q_proj"]}
    metadata = {STATED: json.dumps({**stated, "unet.r": 4, "unet.lora_alpha": 4})}
    layers = layers_of("it", plain, metadata)
    assert {each.scale for each in layers if each.part != DENOISER} == {2.0}
    made, said = with_added(plain, metadata, layers, added(3))
    now = json.loads(said[STATED])
    assert now["unet.r"] == 4
    assert (now["text_encoder.r"], now["text_encoder.lora_alpha"]) == (4, 8)  # of the layers left alone
    assert now["text_encoder.rank_pattern"] == {Q: 7, FC: 7}
    assert now["text_encoder.alpha_pattern"] == {Q: 14.0, FC: 14.0}
    before, after = deltas(plain, metadata), deltas(made, said)
    A, B = added(3)["text_encoder", Q]
    expected = before["text_encoder", Q] + B.double() @ A.double()
    assert torch.allclose(after["text_encoder", Q], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_magnitude_vector",
            "no layer of a LoRA",
        ),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.hada_w1_a", "no layer of a LoRA"),
        ("text_encoders.clip_l.transformer.q.lora_A.weight", "damaged|no layer of a LoRA"),
    ],
)
def test_a_text_part_of_unknown_layout_is_refused_by_name(plain, name, says):
    with pytest.raises(FileFormatError, match=says):
        layers_of("it", {**plain, name: torch.zeros(4, 32)}, {})


def test_half_a_layer_and_no_layer_are_refused(plain):
    half = dict(plain)
    del half[next(name for name in half if name.endswith("up.weight"))]
    with pytest.raises(FileFormatError, match="lacks one of its two"):
        layers_of("it", half, {})
    with pytest.raises(ForeignFileError, match="holds no layers"):
        layers_of("it", {"bundle_emb.x": torch.zeros(1)}, {})
    kohya = in_layout(plain, "kohya")
    alpha = next(name for name in kohya if name.endswith(".alpha"))
    with pytest.raises(FileFormatError, match=r"an alpha for 'lora_.*does nothing"):
        layers_of("it", {**kohya, alpha: torch.tensor(0.0)}, {})
    with pytest.raises(FileFormatError, match="no JSON object"):
        layers_of("it", plain, {STATED: "{"})
    assert is_lora(plain)
    assert not is_lora({"<my-cat>": 1})
