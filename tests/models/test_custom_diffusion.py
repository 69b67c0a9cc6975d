"""Custom Diffusion and ClassDiffusion: weights and modifier token, in both layouts, loaded for real."""

import pytest
import torch
from safetensors.torch import save_file

import uncollapse as uc
from toys.custom_diffusion import trained
from toys.pipelines import WIDTH, make_pipeline
from toys.whole_pipelines import build, draw
from uncollapse.models.custom_diffusion import load_custom_diffusion

PROMPT = "a photo of <new1> cat in the snow"


def state_of(pipe) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.detach().clone()
        for name, processor in pipe.unet.attn_processors.items()
        if isinstance(processor, torch.nn.Module)
        for key, value in processor.state_dict().items()
    }


@pytest.fixture
def row():
    return 2 * torch.randn(WIDTH, generator=torch.Generator().manual_seed(8))


@pytest.fixture(params=["bin", "safetensors"])
def folder(request, tmp_path, row):
    """As diffusers' training script writes it."""
    pipe, weights = trained(), state_of(trained())
    if request.param == "bin":
        empty = {name: {} for name in pipe.unet.attn_processors if "attn1" in name}
        torch.save({**weights, **empty}, tmp_path / "pytorch_custom_diffusion_weights.bin")
        torch.save({"<new1>": row}, tmp_path / "<new1>.bin")
    else:  # which drops what is empty
        save_file(weights, tmp_path / "pytorch_custom_diffusion_weights.safetensors")
        save_file({"<new1>": row}, tmp_path / "<new1>.safetensors")
    return tmp_path


@pytest.fixture
def delta(tmp_path, row):
    """As the original script writes it."""
    pipe = make_pipeline(seed=5)
    unet = {name: p.detach() for name, p in pipe.unet.named_parameters() if ".attn2.to_" in name}
    unet = {name: p for name, p in unet.items() if "to_k" in name or "to_v" in name}
    torch.save({"unet": unet, "modifier_token": {"<new1>": row}}, tmp_path / "delta.bin")
    return tmp_path / "delta.bin"


def test_a_folder_puts_in_both_weights_and_token(folder, row):
    pipe, reference = make_pipeline(), trained()
    assert load_custom_diffusion(pipe, folder) == ["<new1>"]
    for name, value in state_of(reference).items():
        assert torch.equal(state_of(pipe)[name], value)
    table = pipe.text_encoder.get_input_embeddings().weight
    assert torch.equal(table[pipe.tokenizer.convert_tokens_to_ids("<new1>")], row)


def test_a_delta_puts_in_both_weights_and_token(delta, row):
    pipe, source = make_pipeline(), torch.load(delta, weights_only=True)["unet"]
    assert load_custom_diffusion(pipe, delta) == ["<new1>"]
    own = dict(pipe.unet.named_parameters())
    assert source
    assert all(torch.equal(own[name], value) for name, value in source.items())
    table = pipe.text_encoder.get_input_embeddings().weight
    assert torch.equal(table[pipe.tokenizer.convert_tokens_to_ids("<new1>")], row)


@pytest.mark.parametrize("kind", ["folder", "delta"])
def test_the_modifier_is_adjusted_at_prompt_level_and_the_pictures_follow(kind, folder, delta):
    pipe = build("SD")
    load_custom_diffusion(pipe, folder if kind == "folder" else delta)
    plain, rows = draw(pipe, PROMPT), pipe.text_encoder.get_input_embeddings().weight.clone()
    twin = draw(pipe, "a photo of small cat in the snow")
    with uc.apply(pipe, "<new1> cat", anchor="small cat", alpha=1, beta=1):
        torch.testing.assert_close(draw(pipe, PROMPT), twin, atol=1e-5, rtol=0)
        assert torch.equal(pipe.text_encoder.get_input_embeddings().weight, rows)
    with uc.apply(pipe, "<new1> cat", anchor="cat", alpha=0.3):
        assert not torch.equal(draw(pipe, PROMPT), plain)
    assert torch.equal(draw(pipe, PROMPT), plain)


def test_what_does_not_fit_is_refused_and_the_pipeline_stays(tmp_path, folder, delta):
    pipe = make_pipeline()
    before, words = dict(pipe.unet.attn_processors), len(pipe.tokenizer)
    weights = state_of(trained())
    narrow = {name: value[:, :4] for name, value in weights.items()}
    diverged = {name: value * torch.nan for name, value in weights.items()}
    cases = {
        "narrow.bin": (narrow, "does not fit this U-Net"),
        "other.bin": ({"mid.attn9.processor.to_k_custom_diffusion.weight": torch.ones(2, 2)}, "does not fit"),
        "lora.bin": ({"unet.lora_A.weight": torch.ones(2, 2)}, "holds no Custom Diffusion"),
        "list.bin": ([1, 2], "holds no Custom Diffusion"),
        "diverged.bin": (
            diverged,
            "to_k_custom_diffusion.weight' holds NaN or infinity: its training diverged",
        ),
        "diverged-delta.bin": ({"unet": {"a": torch.tensor([torch.inf])}}, "'a' holds NaN or infinity"),
        "text-delta.bin": ({"unet": {"a": "weights"}}, "'a' is a str, but weights are tensors"),
        "few-bits.bin": ({**weights, **_of_few_bits(weights)}, "float8_e5m2, but weights are"),
        "delta-of-another.bin": ({"unet": {"down.to_k.weight": torch.ones(2)}}, "does not fit this U-Net"),
    }
    for name, (entries, message) in cases.items():
        torch.save(entries, tmp_path / name)
        with pytest.raises(uc.FileFormatError, match=message):
            load_custom_diffusion(pipe, tmp_path / name)
    (tmp_path / "short.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    for name in ("short.safetensors", "nothing here"):
        with pytest.raises(uc.FileFormatError):
            load_custom_diffusion(pipe, tmp_path / name)
    pipe.unet = None
    with pytest.raises(uc.PipelineError, match="no U-Net"):
        load_custom_diffusion(pipe, folder)
    pipe = make_pipeline()
    assert pipe.unet.attn_processors.keys() == before.keys()
    assert len(pipe.tokenizer) == words


def _of_few_bits(weights):
    return {name: value.to(torch.float8_e5m2) for name, value in weights.items()}


def test_code_in_a_pickle_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"unet": {"a": Bomb()}}, tmp_path / "delta.bin")
    with pytest.raises(uc.FileFormatError, match="refused on purpose"):
        load_custom_diffusion(make_pipeline(), tmp_path)
    assert not (tmp_path / "ran").exists()
