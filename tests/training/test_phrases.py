"""DreamBooth-LoRA and Custom Diffusion: what moves, what is written, what holds them back."""

import sys
import warnings
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from diffusers import FluxPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from toys.pipelines import encode, make_pipeline
from toys.states import assert_same, everything
from toys.trainings import make_photos, write_captions
from toys.whole_pipelines import build, draw
from uncollapse.errors import AnchorError, PipelineError, TrainingError
from uncollapse.miniature import MINIATURES
from uncollapse.models.custom_diffusion import load_custom_diffusion
from uncollapse.training import CustomDiffusion, DreamBoothLoRA, Reversion, TextualInversion, train
from uncollapse.training.lora_files import RESULT, rename_text_half
from uncollapse.training.semantics import semantic_distance
from uncollapse.trajectory import read_trajectory

LORA = {"placeholder": "sks cat", "class_word": "cat", "batch_size": 2, "steps": 3, "rank": 2, "lr": 1e-2}
CUSTOM = {"placeholder": "<new1>", "class_word": "cat", "batch_size": 2, "steps": 3, "lr": 1e-3}
PROMPT = "a photo of sks cat in the snow"


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos")


def dreambooth(pipe, photos, folder, **settings):
    return train(pipe, photos, folder, DreamBoothLoRA(**{**LORA, **settings}))


def custom(pipe, photos, folder, **settings):
    return train(pipe, photos, folder, CustomDiffusion(**{**CUSTOM, "class_images": 1, **settings}))


def parts_of(path):
    """Which parts of a pipeline a LoRA file changes, and how far."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    ups = {n: t for n, t in tensors.items() if "lora_B" in n or ".up." in n or "lora.up" in n}
    return {
        part: max(t.abs().max().item() for n, t in ups.items() if n.startswith(part + "."))
        for part in {name.partition(".")[0] for name in ups}
    }


@pytest.mark.thorough
@pytest.mark.parametrize("text_lr", [None, 1e-2])
@pytest.mark.parametrize(
    ("family", "denoiser", "encoders"),
    [
        ("SD", "unet", {"text_encoder"}),
        ("SDXL", "unet", {"text_encoder", "text_encoder_2"}),
        ("Flux", "transformer", {"text_encoder"}),
    ],
)
def test_a_lora_is_learned_and_the_model_is_as_it_was(photos, tmp_path, family, denoiser, encoders, text_lr):
    pipe = build(family)
    before = everything(pipe)
    plain = draw(pipe, PROMPT)
    settings = {"text_lr": text_lr, "checkpoint_steps": [0], "resolution": 16}
    trajectory = dreambooth(pipe, photos, tmp_path / "out", **settings)
    assert_same(before, everything(pipe))
    assert torch.equal(draw(pipe, PROMPT), plain)
    changed = parts_of(tmp_path / "out" / "pytorch_lora_weights.safetensors")
    assert set(changed) == {denoiser} | (encoders if text_lr else set())
    assert all(value > 0 for value in changed.values())
    start, end = trajectory.checkpoints
    assert all(value == 0 for value in parts_of(trajectory.path(start)).values())
    assert (start.norm, end.cosine) == (None, None)
    pipe.load_lora_weights(tmp_path / "out")
    learned = draw(pipe, PROMPT)
    assert not torch.equal(learned, plain)
    pipe.unload_lora_weights()
    pipe.load_lora_weights(trajectory.path(end))
    assert torch.equal(draw(pipe, PROMPT), learned)


def test_the_parts_move_in_their_own_time(pipe, photos, tmp_path):
    """Two steps the U-Net, then the text encoder: each stays what it is outside its steps."""
    settings = {
        "text_lr": 1e-2,
        "text_from": 2,
        "denoiser_until": 2,
        "steps": 4,
        "checkpoint_steps": range(5),
    }
    trajectory = dreambooth(pipe, photos, tmp_path / "out", **settings)
    unet, text = (
        [parts_of(trajectory.path(each))[part] for each in trajectory.checkpoints]
        for part in ("unet", "text_encoder")
    )
    assert 0 == unet[0] < unet[1] != unet[2] == unet[3] == unet[4]
    assert 0 == text[0] == text[1] == text[2] < text[3] != text[4]


def test_only_the_named_text_layers_get_adapters(pipe, photos, tmp_path):
    dreambooth(pipe, photos, tmp_path / "out", text_lr=1e-2, text_layers="q_proj, k_proj")
    with safe_open(tmp_path / "out" / "pytorch_lora_weights.safetensors", framework="pt") as file:
        names = [name for name in file.keys() if name.startswith("text_encoder")]  # noqa: SIM118
    layers = {name.split(".self_attn.")[1].split(".")[0] for name in names}
    assert layers == {"q_proj", "k_proj"}


def test_text_halves_have_the_names_that_comfyui_reads_and_diffusers_reads_them_too(photos, tmp_path):
    pipe = build("SDXL")
    dreambooth(pipe, photos, tmp_path / "out", text_lr=1e-2, resolution=16)
    names = {name for name in load_file(tmp_path / "out" / RESULT) if name.startswith("text_encoder")}
    assert {name.partition(".")[0] for name in names} == {"text_encoder", "text_encoder_2"}
    assert all(name.partition(".")[2].startswith("text_model.encoder.layers.") for name in names)


def test_a_lora_of_earlier_is_renamed_bit_for_bit(tmp_path):
    old = {
        "text_encoder.encoder.layers.0.x.lora_linear_layer.up.weight": torch.randn(3),
        "unet.y": torch.ones(2),
    }
    save_file(old, tmp_path / "old.safetensors", {"steps": "3", "format": "pt"})
    rename_text_half(tmp_path / "old.safetensors")
    new = load_file(tmp_path / "old.safetensors")
    assert list(new) == ["text_encoder.text_model.encoder.layers.0.x.lora_linear_layer.up.weight", "unet.y"]
    assert all(torch.equal(a, b) for a, b in zip(old.values(), new.values(), strict=True))
    with safe_open(tmp_path / "old.safetensors", framework="pt") as file:
        assert file.metadata() == {"steps": "3", "format": "pt"}
    rename_text_half(tmp_path / "old.safetensors")
    assert list(load_file(tmp_path / "old.safetensors")) == list(new)


@pytest.mark.parametrize("concept", ["car", "cat", "dog", "robot", "teapot", "turtle"])
def test_the_bundled_loras_have_those_names(concept):
    names = load_file(MINIATURES["unet"].concepts[concept].lora)
    assert {name.split(".")[1] for name in names if name.startswith("text_encoder")} == {"text_model"}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("family", "prefixes", "parts"),
    [
        ("SD", {"te"}, {"unet", "text_encoder"}),
        ("SDXL", {"te1", "te2"}, {"unet", "text_encoder", "text_encoder_2"}),
    ],
)
def test_a_file_of_kohyas_layout_draws_the_same_picture(photos, tmp_path, family, prefixes, parts):
    pipe = make_pipeline() if family == "SD" else build(family)
    trajectory = dreambooth(pipe, photos, tmp_path / "out", text_lr=1e-2, kohya=True, resolution=16)
    tensors = load_file(tmp_path / "out" / "kohya_lora.safetensors")
    assert {name.split("_")[1] for name in tensors} == {"unet", *prefixes}
    assert not list(trajectory.folder.glob("steps/kohya*"))
    alphas = {name: value for name, value in tensors.items() if name.endswith(".alpha")}
    assert 3 * len(alphas) == len(tensors)
    assert {value.item() for value in alphas.values()} == {2}
    pictures = []
    for name in (RESULT, "kohya_lora.safetensors"):
        pipe.load_lora_weights(tmp_path / "out", weight_name=name)
        assert set(pipe.get_list_adapters()) == parts
        pictures.append(draw(pipe, PROMPT))
        pipe.unload_lora_weights()
    assert torch.equal(*pictures)


def test_kohyas_layout_is_refused_where_it_is_not_written(photos, tmp_path):
    with pytest.raises(TrainingError, match="U-Net only"):
        dreambooth(build("Flux"), photos, tmp_path / "out", kohya=True, resolution=16)


def test_a_text_layer_that_is_none_is_refused():
    with pytest.raises(TrainingError, match=r"text_layers='q_proj,fc1'.*q_proj, k_proj, v_proj, out_proj"):
        DreamBoothLoRA(**{**LORA, "text_lr": 1e-3, "text_layers": "q_proj,fc1"})


def test_a_frozen_text_encoder_encodes_once(pipe, photos, tmp_path, monkeypatch):
    calls = []
    encode_prompt = pipe.encode_prompt
    monkeypatch.setattr(pipe, "encode_prompt", lambda *a, **k: calls.append(a) or encode_prompt(*a, **k))
    dreambooth(pipe, photos, tmp_path / "frozen", prior_weight=1.0, class_images=1)
    drawn = 1
    assert len(calls) == drawn + 2
    calls.clear()
    dreambooth(pipe, photos, tmp_path / "moving", text_lr=1e-3)
    assert len(calls) == 3


def test_prior_preservation_draws_the_class_once_and_holds_it(pipe, photos, tmp_path, monkeypatch):
    from uncollapse.training import prior

    drawn = []
    generate = prior.generate
    monkeypatch.setattr(prior, "generate", lambda *a: drawn.extend(a[1]) or generate(*a))
    settings = {"prior_weight": 5.0, "class_images": 2, "steps": 2}
    dreambooth(pipe, photos, tmp_path / "out", **settings)
    assert drawn == ["a photo of cat"] * 2
    assert len(list((tmp_path / "out" / "class_images").iterdir())) == 2
    longer = DreamBoothLoRA(**{**LORA, **settings, "steps": 3})
    train(pipe, photos, tmp_path / "out", longer, resume=True)
    assert len(drawn) == 2


def test_the_prior_is_weighed_into_the_loss(pipe, photos, tmp_path):
    losses = {}
    for weight in (1.0, 3.0):
        settings = {"prior_weight": weight, "class_images": 1, "steps": 1}
        trajectory = dreambooth(pipe, photos, tmp_path / f"{weight}", **settings)
        losses[weight] = trajectory.checkpoints[-1].loss
    prior = (losses[3.0] - losses[1.0]) / 2
    assert 0 < prior < losses[1.0]


def test_custom_diffusion_learns_keys_values_and_a_token(pipe, photos, tmp_path):
    before = everything(pipe)
    trajectory = custom(pipe, photos, tmp_path / "out", checkpoint_steps=[0])
    assert_same(before, everything(pipe))
    assert trajectory.placeholder == "<new1> cat"
    assert trajectory == read_trajectory(tmp_path / "out")
    assert trajectory.checkpoints[0].cosine == pytest.approx(1)
    assert trajectory.checkpoints[1].cosine < 1
    drawn = {}
    for name, source in (
        ("start", trajectory.path(trajectory.checkpoints[0])),
        ("end", trajectory.path(trajectory.checkpoints[1])),
        ("result", tmp_path / "out"),
    ):
        loaded = make_pipeline()
        assert load_custom_diffusion(loaded, source) == ["<new1>"]
        drawn[name] = draw(loaded, "a photo of <new1> cat")
    assert torch.equal(drawn["end"], drawn["result"])
    assert not torch.equal(drawn["start"], drawn["end"])
    weights = torch.load(tmp_path / "out" / "pytorch_custom_diffusion_weights.bin", weights_only=True)
    trained = {name for name, value in weights.items() if isinstance(value, torch.Tensor)}
    assert trained
    for name in trained:
        layer, _, kind = name.partition(".processor.")
        own = pipe.unet.get_submodule(layer)
        start = own.to_k.weight if kind.startswith("to_k") else own.to_v.weight
        assert not torch.equal(weights[name], start), name


def test_semantic_preservation_holds_the_phrase_near_its_class(photos, tmp_path):
    def after(weight):
        pipe, folder = make_pipeline(), tmp_path / f"{weight}"
        dreambooth(
            pipe,
            photos,
            folder,
            text_lr=1e-2,
            steps=8,
            lr=1e-9,
            semantic_preservation=weight,
            max_grad_norm=1e9,
        )
        pipe.load_lora_weights(folder)
        with torch.no_grad():
            return semantic_distance(pipe, "a photo of sks cat", "a photo of cat").item()

    assert after(100.0) < after(0.0)


def test_semantic_distance_is_at_the_end_of_the_text(pipe):
    one, other = "a photo of sks cat", "a photo of cat"
    ends = [len(pipe.tokenizer(text).input_ids) - 1 for text in (one, other)]
    rows = [encode(pipe, text)[0][0, end] for text, end in zip((one, other), ends, strict=True)]
    cosine = torch.nn.functional.cosine_similarity(*rows, dim=0)
    with torch.no_grad():
        assert semantic_distance(pipe, one, other).item() == pytest.approx(1 - cosine.item(), abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"placeholder": "cat"}, AnchorError, "itself"),
        ({"rank": 0}, TrainingError, "at least 1"),
        ({"text_lr": 0}, TrainingError, "leave it out"),
        ({"text_from": 3}, TrainingError, "without text_lr it changes nothing"),
        ({"class_images": 3}, TrainingError, "without prior_weight it changes nothing"),
        ({"prior_weight": -1}, TrainingError, "negative"),
        ({"class_images": 0}, TrainingError, "at least 1"),
        ({"semantic_preservation": 1}, TrainingError, "changes nothing"),
        ({"denoiser_until": 2}, TrainingError, "nothing would move"),
    ],
)
def test_what_a_lora_cannot_be_told(settings, error, words):
    with pytest.raises(error, match=words):
        DreamBoothLoRA(**{**LORA, **settings})


def test_custom_diffusion_says_what_it_needs(photos, tmp_path):
    with pytest.raises(TrainingError, match="angle brackets"):
        CustomDiffusion(**{**CUSTOM, "placeholder": "sks"})
    with pytest.raises(PipelineError, match="not for StableDiffusionXLPipeline"):
        custom(build("SDXL"), photos, tmp_path / "out", resolution=16)


def test_min_snr_is_diffusions_own(photos, tmp_path):
    with pytest.raises(TrainingError, match="Flux is a flow"):
        dreambooth(build("Flux"), photos, tmp_path / "out", resolution=16, min_snr=5.0)


def test_a_pipeline_with_a_lora_is_refused(lora_pipe, photos, tmp_path):
    with pytest.raises(PipelineError, match="unload_lora_weights"):
        dreambooth(lora_pipe, photos, tmp_path / "out")


@contextmanager
def uncollapse_is_absent(monkeypatch):
    """Within it nobody can import it, and what was imported is not there."""

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "uncollapse":
                raise ModuleNotFoundError(name)

    with monkeypatch.context() as patched, warnings.catch_warnings(action="ignore"):
        for name in [each for each in sys.modules if each.partition(".")[0] == "uncollapse"]:
            patched.delitem(sys.modules, name)
        patched.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
        yield


def load_plainly(model, folder):
    """As diffusers' own users do."""

    def pipeline():
        return StableDiffusionPipeline.from_pretrained(model, safety_checker=None)

    inversion, lora, custom, relation = pipeline(), pipeline(), pipeline(), pipeline()
    inversion.load_textual_inversion(folder / "inversion")
    lora.load_lora_weights(folder / "lora")
    weights = "pytorch_custom_diffusion_weights.bin"
    custom.unet.load_attn_procs(folder / "custom", weight_name=weights, _pipeline=custom)
    custom.load_textual_inversion(folder / "custom", weight_name="<new1>.bin")
    relation.load_textual_inversion(folder / "relation")
    for pipe, prompt in (
        (inversion, "a photo of <my-cat>"),
        (lora, "a photo of sks cat"),
        (custom, "a photo of <new1> cat"),
        (relation, "a cat <R> a hat"),
    ):
        pipe(prompt, num_inference_steps=1)
    assert len(lora.get_list_adapters()) == 2
    xl = StableDiffusionXLPipeline.from_pretrained(folder / "xl-model")
    rows = load_file(folder / "xl" / "learned_embeds.safetensors")
    for key, tokenizer, encoder in (
        ("clip_l", xl.tokenizer, xl.text_encoder),
        ("clip_g", xl.tokenizer_2, xl.text_encoder_2),
    ):
        xl.load_textual_inversion(rows[key], "<my-cat>", tokenizer=tokenizer, text_encoder=encoder)
    xl.load_lora_weights(folder / "xl-lora")
    xl("a photo of <my-cat>", num_inference_steps=1, height=16, width=16)
    flux = FluxPipeline.from_pretrained(folder / "flux-model")
    flux.load_lora_weights(folder / "flux-lora")
    flux("a photo of sks cat", num_inference_steps=1, height=16, width=16, max_sequence_length=64)


@pytest.mark.thorough
def test_every_file_loads_where_uncollapse_is_not(model, photos, tmp_path, monkeypatch):
    inversion = TextualInversion(placeholder="<my-cat>", class_word="cat", steps=1, vectors=2)
    train(make_pipeline(), photos, tmp_path / "inversion", inversion)
    dreambooth(make_pipeline(), photos, tmp_path / "lora", text_lr=1e-3)
    custom(make_pipeline(), photos, tmp_path / "custom", prior_weight=0, class_images=100)
    relation = Reversion(placeholder="<R>", class_word="near", steps=1)
    write_captions(photos, {f"{i}.png": "a cat <R> a hat" for i in range(3)})
    train(make_pipeline(), photos, tmp_path / "relation", relation)
    xl, flux = build("SDXL"), build("Flux")
    xl.save_pretrained(tmp_path / "xl-model")
    flux.save_pretrained(tmp_path / "flux-model")
    train(xl, photos, tmp_path / "xl", replace(inversion, resolution=16))
    for name, pipe in (("xl-lora", xl), ("flux-lora", flux)):
        dreambooth(pipe, photos, tmp_path / name, text_lr=1e-3, resolution=16)
    with uncollapse_is_absent(monkeypatch):
        load_plainly(model, tmp_path)
