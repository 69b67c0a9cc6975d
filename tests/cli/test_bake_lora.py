"""``bake`` and ``unbake`` of a LoRA: what they print and write, and one sentence for what goes wrong."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from toys.pipelines import add_lora, make_pipeline, save_lora
from uncollapse import carrying
from uncollapse.carrying import FitSettings
from uncollapse.cli import bake_lora as module
from uncollapse.cli.app import make_app
from uncollapse.concept import Concept
from uncollapse.tuning import Preset
from uncollapse.tuning.preset import fingerprints
from uncollapse.weight_files import opened

CONCEPT = Concept("sks cat", "cat")


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    pipe, folder = make_pipeline(), tmp_path_factory.mktemp("lora")
    add_lora(pipe)
    return save_lora(pipe, folder)


@pytest.fixture(scope="module")
def preset(lora, tmp_path_factory):
    """Writes one, measured with this LoRA, or with the seed of another."""

    def write(way, seed=1):
        pipe = make_pipeline()
        add_lora(pipe, seed=seed)
        made = Preset(CONCEPT, way, fingerprints(pipe, CONCEPT))
        return made.save(tmp_path_factory.mktemp("preset") / "preset.json")

    return write


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    def few(rank=4):
        return FitSettings(rank=rank, captions=8, steps=4, batch=4, measured=4)

    monkeypatch.setattr(module, "FitSettings", few)


def run(*arguments):
    return CliRunner().invoke(make_app(), list(map(str, arguments)))


def bake(lora, model, *arguments):
    return run("bake", lora, "--model", model, *arguments)


def test_baking_says_how_much_is_carried_and_unbaking_undoes_it(lora, model, tmp_path):
    made, back = tmp_path / "cat-tea.safetensors", tmp_path / "back.safetensors"
    result = bake(lora, model, "--placeholder", "sks cat", "-o", made)
    assert result.exit_code == 0, result.output
    carries, off, others, rank, path = result.stdout.splitlines()
    assert carries.startswith("Carries ")
    assert "of the adjustment, on contexts that it was not fitted to." in carries
    assert "the concept's own tokens 0.000 → " in off
    assert "Prompts without the concept have moved by " in others
    assert rank == "Rank 4 + 4 in 12 layers; 32 layers left as they are."
    assert path == str(made)
    assert "Anchor: 'cat', the last word of 'sks cat'." in result.stderr
    assert opened(made)[1]["uncollapse.way"] == "tea:alpha=0/1/1,beta=1,norm_blend=none"
    assert run("unbake", made, "-o", back).stdout.splitlines() == [str(back)]
    one, other = load_file(lora), load_file(back)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_json_and_a_rank_and_a_strength_of_ones_own(lora, model, tmp_path):
    options = ["--alpha", 0.6, "--beta", 1, "--rank", 2, "--json", "-o", tmp_path / "tea.safetensors"]
    result = bake(lora, model, "--placeholder", "sks cat", "--anchor", "cat", *options)
    printed = json.loads(result.stdout)
    assert (printed["rank_own"], printed["rank_added"], printed["fitted"]) == (4, 2, True)
    assert printed["by_role"].keys() == {"concept", "context", "rest"}
    assert opened(tmp_path / "tea.safetensors")[1]["uncollapse.way"] == "tea:alpha=0.6,beta=1,norm_blend=none"


def test_a_preset_says_how_and_a_lora_turned_down_is_exact(lora, model, preset, tmp_path):
    given = ["--preset", preset("lora:text=0.25"), "-o"]
    result = bake(lora, model, *given, tmp_path / "less.safetensors")
    assert result.stdout.splitlines()[0] == "Carries all of it: the LoRA is turned down exactly."
    assert "Rank 4 + 4 in 8 layers" in result.stdout
    check_refused(
        bake(lora, model, *given, tmp_path / "no.safetensors", "--rank", 2), "--rank changes nothing"
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "Which words call the concept? Give them with --placeholder"),
        (["--placeholder", "ohwx"], "What is 'ohwx'?"),
        (["--placeholder", "sks cat", "--stack"], "--stack changes nothing here"),
        (["--placeholder", "sks cat", "--tokenizer", "x"], "--tokenizer changes nothing here"),
        (["--placeholder", "sks cat", "--anyway"], "--anyway is for --preset"),
        (["--placeholder", "sks cat", "--beta", "1"], "go with --alpha"),
        (["--placeholder", "sks cat", "--model", "other"], "A LoRA belongs to one model"),
    ],
)
def test_what_is_missing_or_without_effect_is_said(lora, model, tmp_path, options, says):
    check_refused(bake(lora, model, *options, "-o", tmp_path / "tea.safetensors"), says)
    assert not list(tmp_path.iterdir())


def test_a_preset_that_does_not_fit_is_refused(lora, model, preset, tmp_path):
    output = ["-o", tmp_path / "tea.safetensors"]
    usual, other = preset("tea:alpha=0/1/1,beta=1"), preset("lora:text=0", seed=2)
    check_refused(bake(lora, model, "--preset", other, *output), "was measured with other weights")
    check_refused(bake(lora, model, "--preset", preset("switch:until=0.3"), *output), "step to step")
    check_refused(bake(lora, model, "--preset", usual, "--alpha", 0.2, *output), "Leave --alpha, --beta")
    check_refused(bake(lora, model, "--preset", usual, "--placeholder", "my cat", *output), "Leave it out")
    assert not list(tmp_path.iterdir())
    assert bake(lora, model, "--preset", other, "--anyway", *output).exit_code == 0


def test_a_lora_of_another_model_and_options_of_loras_for_an_embedding(lora, model, tmp_path):
    wide = {name: torch.zeros(4, 99) if "lora_A" in name else each for name, each in load_file(lora).items()}
    save_file(wide, tmp_path / "wide.safetensors")
    given = ["--placeholder", "sks cat", "-o", tmp_path / "tea.safetensors"]
    check_refused(bake(tmp_path / "wide.safetensors", model, *given), "does not fit")
    save_file({"<cat>": torch.ones(1, 32)}, tmp_path / "cat.safetensors")
    for option in (["--rank", 2], ["--device", "cpu"], ["--anyway"]):
        check_refused(
            bake(tmp_path / "cat.safetensors", model, "--anchor", "cat", *option, *given[2:]),
            f"{option[0]} changes nothing here",
        )
    by_role = ["--anchor", "cat", "--alpha", "0/1/1", *given[2:]]
    check_refused(bake(tmp_path / "cat.safetensors", model, *by_role), "Give one number")
    assert not (tmp_path / "tea.safetensors").exists()


def test_ctrl_c_leaves_nothing(lora, model, tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(carrying.carry, "fit", stopped)
    result = bake(lora, model, "--placeholder", "sks cat", "-o", tmp_path / "tea.safetensors")
    assert result.exit_code == 130
    assert "Stopped; nothing was written." in result.stderr
    assert not list(tmp_path.iterdir())


def check_refused(result, says):
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert says in result.stderr
