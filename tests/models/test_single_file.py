"""Checkpoints in one file draw as the pipelines whose weights they hold; what is wrong with one is named."""

import functools
import socket
import zipfile

import diffusers
import pytest
import torch
import transformers
from safetensors.torch import save_file

from toys import checkpoints
from toys.checkpoints import MAKES, drawn, original
from toys.embedding_files import Harmful
from uncollapse.errors import FileFormatError, PipelineError, UncollapseWarning
from uncollapse.models import load_pipeline
from uncollapse.models.checkpoint_configs import text_config, unet_config, vae_config
from uncollapse.models.checkpoint_kinds import KINDS, prediction_type

UNET = "model.diffusion_model."
TITLES = [kind.title for kind in KINDS]


@functools.cache
def made(title="Stable Diffusion 1"):
    """A pipeline and its weights, which nobody changes."""
    pipe = MAKES[title]()
    return pipe, original(pipe)


@pytest.fixture
def no_network(monkeypatch):
    """Whoever looks up an address fails, and is known."""
    asked = []

    def refused(*address, **_):
        asked.append(address)
        raise OSError("no network")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refused)
    yield
    assert asked == []


@pytest.mark.thorough
@pytest.mark.parametrize("title", MAKES)
def test_a_checkpoint_draws_as_its_pipeline_and_nothing_is_fetched(title, tmp_path, no_network):
    pipe, weights = made(title)
    file = tmp_path / "model.safetensors"
    save_file(weights, file, metadata={"modelspec.prediction_type": "epsilon"})
    loaded = load_pipeline(file, device="cpu")
    assert type(loaded) is type(pipe)
    assert loaded.name_or_path == str(file)
    assert torch.equal(drawn(loaded), drawn(pipe))
    for name, module in pipe.components.items():
        if isinstance(module, torch.nn.Module):
            assert not getattr(loaded, name).training
            assert getattr(loaded, name).dtype == torch.float32
            torch.testing.assert_close(getattr(loaded, name).state_dict(), module.state_dict())
    text = "A photo of sks cat, in Málaga: 1990's 🐈"
    for name in ("tokenizer", "tokenizer_2"):
        if expected := getattr(pipe, name, None):
            padded = [t(text, padding="max_length").input_ids for t in (expected, getattr(loaded, name))]
            assert padded[0] == padded[1]
            assert len(padded[1]) == 77
    assert loaded.unet.config.upcast_attention == pipe.unet.config.upcast_attention
    expected = {key: value for key, value in pipe.scheduler.config.items() if not key.startswith("_")}
    assert {key: loaded.scheduler.config[key] for key in expected} == expected


def test_a_ckpt_of_half_precision_loads_too(tmp_path, no_network):
    pipe, weights = made()
    halves = {key: value.half() for key, value in weights.items()}
    file = tmp_path / "model.ckpt"
    torch.save({"epoch": 3, "state_dict": halves}, file)
    unet = load_pipeline(file, device="cpu").unet
    assert unet.dtype == torch.float32
    own = pipe.unet.state_dict()
    torch.testing.assert_close(unet.state_dict(), {key: value.half().float() for key, value in own.items()})


def test_a_token_can_be_learned_by_it_in_half_precision(tmp_path):
    save_file(made()[1], tmp_path / "model.safetensors")
    loaded = load_pipeline(tmp_path / "model.safetensors", device="cpu", dtype=torch.float16)
    assert {loaded.unet.dtype, loaded.vae.dtype, loaded.text_encoder.dtype} == {torch.float16}
    loaded.load_textual_inversion({"<my-cat>": torch.ones(2, 64)}, token="<my-cat>")
    ids = loaded.tokenizer("<my-cat> <my-cat>_1", add_special_tokens=False).input_ids
    assert ids == [49408, 49409]
    assert torch.equal(loaded.text_encoder.get_input_embeddings().weight[49409], torch.ones(64).half())


@pytest.mark.parametrize("title", TITLES)
def test_the_published_sizes_are_read_off(title):
    """Built on no device; the judge is how many numbers each part was published with."""
    with torch.device("meta"):
        parts = PUBLISHED[title]()
    kind = next(kind for kind in KINDS if kind.title == title)
    weights = checkpoints.weights_of(*parts)
    configs = [unet_config(kind, weights, "epsilon"), vae_config(kind, weights)]
    with torch.device("meta"):
        again = [diffusers.UNet2DConditionModel(**configs[0]), diffusers.AutoencoderKL(**configs[1])]
        for encoder in kind.encoders:
            config = transformers.CLIPTextConfig(**text_config(encoder, weights))
            again.append(
                transformers.CLIPTextModelWithProjection(config)
                if encoder.projects
                else transformers.CLIPTextModel(config)
            )
    assert [sum(p.numel() for p in part.parameters()) for part in again] == COUNTS[title]
    for part, expected in zip(again, parts, strict=True):
        assert {k: v.shape for k, v in part.state_dict().items()} == {
            k: v.shape for k, v in expected.state_dict().items()
        }


ATTENDS = ("CrossAttnDownBlock2D",) * 3, ("CrossAttnUpBlock2D",) * 3
FOUR = {
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*ATTENDS[0], "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *ATTENDS[1]),
}


def published_vae():
    return diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    )


def clip(kind, width, layers, heads, act):
    config = transformers.CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        hidden_act=act,
        projection_dim=width,
    )
    return getattr(transformers, kind)(config)


def published_1():
    unet = diffusers.UNet2DConditionModel(**FOUR, cross_attention_dim=768, attention_head_dim=8)
    return unet, published_vae(), clip("CLIPTextModel", 768, 12, 12, "quick_gelu")


def published_2():
    heads = {"attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True}
    unet = diffusers.UNet2DConditionModel(**FOUR, **heads, cross_attention_dim=1024)
    return unet, published_vae(), clip("CLIPTextModel", 1024, 23, 16, "gelu")


def published_xl():
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", *ATTENDS[0][1:]),
        up_block_types=(*ATTENDS[1][1:], "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        use_linear_projection=True,
        cross_attention_dim=2048,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )
    first = clip("CLIPTextModel", 768, 12, 12, "quick_gelu")
    return unet, published_vae(), first, clip("CLIPTextModelWithProjection", 1280, 32, 20, "gelu")


PUBLISHED = dict(zip(TITLES, (published_1, published_2, published_xl), strict=True))
COUNTS = dict(
    zip(
        TITLES,
        (
            [859_520_964, 83_653_863, 123_060_480],
            [865_910_724, 83_653_863, 340_387_840],
            [2_567_463_684, 83_653_863, 123_060_480, 694_659_840],
        ),
        strict=True,
    )
)


SD1, SD2, SDXL = KINDS
NORM = f"{UNET}output_blocks.{{}}.1.transformer_blocks.0.norm1.bias"
FLAT, WIDE = torch.full((8,), 0.1), torch.tensor([-0.2, 0.2] * 4)


@pytest.mark.parametrize(
    ("kind", "entries", "metadata", "expected"),
    [
        (SD1, {}, {}, ("epsilon", True)),
        (SD1, {}, {"modelspec.prediction_type": "v"}, ("v_prediction", True)),
        (SDXL, {}, {}, ("epsilon", True)),
        (SDXL, {"v_pred": torch.ones(0)}, {}, ("v_prediction", True)),
        (SD2, {"v_pred": torch.ones(0)}, {"modelspec.prediction_type": "epsilon"}, ("epsilon", True)),
        (SD2, {NORM.format(9): WIDE, NORM.format(11): FLAT}, {}, ("epsilon", False)),
        (SD2, {NORM.format(9): FLAT, NORM.format(11): WIDE}, {}, ("v_prediction", False)),
        (SD2, {}, {}, ("epsilon", False)),
    ],
)
def test_what_is_predicted_is_stated_or_guessed(kind, entries, metadata, expected):
    assert prediction_type(kind, entries, metadata) == expected


def test_what_was_guessed_is_said(tmp_path):
    file = tmp_path / "model.safetensors"
    entries = dict(made("Stable Diffusion 2")[1])
    for key in entries:
        if key.startswith(f"{UNET}output_blocks") and key.endswith("norm1.bias"):
            entries[key] = torch.tensor([-0.2, 0.2]).repeat(32)
    save_file(entries, file)
    with pytest.warns(
        UncollapseWarning, match=r"there are both of Stable Diffusion 2: taken for v_prediction"
    ):
        loaded = load_pipeline(file, device="cpu")
    assert loaded.scheduler.config.prediction_type == "v_prediction"
    assert loaded.unet.config.sample_size == 96  # 768 px


def test_a_schedule_that_ends_in_noise_is_heeded(tmp_path):
    marks = {"v_pred": torch.ones(1), "ztsnr": torch.ones(1)}
    save_file(made("Stable Diffusion XL")[1] | marks, tmp_path / "model.safetensors")
    config = load_pipeline(tmp_path / "model.safetensors", device="cpu").scheduler.config
    assert (config.prediction_type, config.rescale_betas_zero_snr) == ("v_prediction", True)


TABLE_1 = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
ONE = torch.ones(1)
WHOLE_1 = {
    TABLE_1: torch.ones(49408, 1),
    f"{UNET}input_blocks.0.0.weight": torch.ones(1, 4, 1, 1),
    "first_stage_model.x": ONE,
}


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"first_stage_model.x": ONE, "first_stage_model.y": ONE}, "no checkpoint: it has no U-Net"),
        ({f"{UNET}x": ONE}, "no text encoder under a name"),
        (
            {f"{UNET}x": ONE, "conditioner.embedders.0.model.token_embedding.weight": ONE},
            "a refiner of Stable",
        ),
        ({f"{UNET}double_blocks.0.img_attn.qkv.weight": ONE}, "of Flux or one of its kind"),
        ({f"{UNET}joint_blocks.0.x_block.attn.qkv.weight": ONE}, "of Stable Diffusion 3"),
        ({k: v for k, v in WHOLE_1.items() if "first" not in k}, "has no VAE"),
        (WHOLE_1 | {f"{UNET}input_blocks.0.0.weight": torch.ones(1, 9, 1, 1)}, "for inpainting"),
        (WHOLE_1 | {f"{UNET}input_blocks.0.0.weight": torch.ones(1, 8, 1, 1)}, "edits pictures"),
        (WHOLE_1 | {f"{UNET}input_blocks.0.0.weight": ONE}, "a U-Net of 0 channels"),
        (WHOLE_1 | {"edm_mean": ONE}, "noise schedule of its own"),
        (WHOLE_1 | {f"{UNET}a.weight": ONE.to(torch.float8_e4m3fn)}, r"quantised \(torch.float8_e4m3fn\)"),
        (WHOLE_1 | {TABLE_1: torch.ones(21128, 1)}, r"token table of \[21128, 1\] where CLIP has 49408"),
        (WHOLE_1 | {TABLE_1: torch.tensor(1.0)}, r"token table of \[\]"),
        (WHOLE_1, "incomplete Stable Diffusion 1: it lacks 'model.diffusion_model.input_blocks'"),
    ],
)
def test_what_is_no_such_checkpoint_is_named(entries, says, tmp_path):
    file = tmp_path / "model.safetensors"
    save_file({key: value.clone() for key, value in entries.items()}, file)
    with pytest.raises(PipelineError, match=f"model.safetensors' .*{says}") as error:
        load_pipeline(file, device="cpu")
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.pop(f"{UNET}out.0.weight"), "incomplete Stable Diffusion 1: weights are missing"),
        (lambda w: w.pop(TABLE_1.replace("token_emb", "position_emb")), "lacks 'cond_stage_model"),
        (
            lambda w: w.update({f"{UNET}time_embed.cond_proj.weight": ONE}),
            "of another build.* has 209 weights where that has 208",
        ),
    ],
)
def test_more_or_less_than_the_whole_is_named(change, says, tmp_path):
    entries = dict(made()[1])
    change(entries)
    save_file(entries, tmp_path / "model.safetensors")
    with pytest.raises(PipelineError, match=says) as error:
        load_pipeline(tmp_path / "model.safetensors", device="cpu")
    assert "\n" not in str(error.value)


def test_a_ckpt_that_holds_code_or_is_packed_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {f"{UNET}x": ONE}, "callbacks": Harmful()}, tmp_path / "code.ckpt")
    torch.save(WHOLE_1, tmp_path / "plain.ckpt")
    with (
        zipfile.ZipFile(tmp_path / "plain.ckpt") as plain,
        zipfile.ZipFile(tmp_path / "packed.ckpt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.namelist():
            packed.writestr(entry, plain.read(entry))
    (tmp_path / "damaged.ckpt").write_bytes(b"no tensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"no tensors")
    (tmp_path / "notes.txt").write_text("no weights")
    itself = dict(WHOLE_1)
    itself["state_dict"] = itself
    torch.save(itself, tmp_path / "endless.ckpt")
    for name, says in [
        ("code.ckpt", "holds code, .*Give it as .safetensors"),
        ("packed.ckpt", "entries are compressed"),
        ("damaged.ckpt", "cannot be read as a model's weights"),
        ("damaged.safetensors", "cannot be read as a model's weights: .* Download or copy it again"),
        ("notes.txt", "no file of weights. Give a .safetensors or .ckpt"),
        ("endless.ckpt", "in itself"),
    ]:
        with pytest.raises(FileFormatError, match=says) as error:
            load_pipeline(tmp_path / name, device="cpu")
        assert "\n" not in str(error.value)
    assert not (tmp_path / "harm-done").exists()
