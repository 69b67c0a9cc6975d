"""No option of ``diagnose`` is silently without effect, whatever it is given to."""

import warnings

import pytest
import typer

from toys.diagnoses import model_and_lora, run
from uncollapse.cli.app import make_app
from uncollapse.cli.diagnose_options import IN_VAIN, say_what_is_passed_over
from uncollapse.errors import UncollapseWarning

ALWAYS = {"context", "target", "output", "json", "threads"}
OF_PICTURES = {"images", "references", "steps", "guidance", "clip"}
ASKED = {"contexts", "contexts_from_llm", "llm", "arm", "device", "dtype", "base"}
PRESET = {"preset", "anyway"}
WITH_EFFECT = {  # alone, or beside the option that it belongs to
    "files": {"model", "tokenizer", "anchor", "alpha", "beta", "images"},  # images are refused
    "model": ASKED
    | OF_PICTURES
    | PRESET
    | {"lora", "embedding", "custom_diffusion", "placeholder", "anchor", "probe", "paper"},
    "training": ASKED | OF_PICTURES | {"model"},
}


def said(kind, given, *, own=False):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UncollapseWarning)
        say_what_is_passed_over(kind, given, own=own)
    return [str(each.message) for each in caught]


def named(*names):
    """As they are typed."""
    return {
        name: ("--no-probe",) if name == "probe" else (f"--{name.replace('_', '-')}", "x") for name in names
    }


@pytest.mark.parametrize("kind", IN_VAIN)
def test_every_option_has_an_effect_or_is_said_to_have_none(kind):
    """One that is new has to be put into one list or the other."""
    command = typer.main.get_command(make_app()).commands["diagnose"]
    options = {each.name for each in command.params} - ALWAYS
    in_vain = {name for names in IN_VAIN[kind].values() for name in names}
    if kind == "files":
        in_vain |= OF_PICTURES - {"images"}
    assert in_vain | WITH_EFFECT[kind] == options
    assert not in_vain & WITH_EFFECT[kind]


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, all_ in IN_VAIN.items() for names in all_.values() for name in names],
)
def test_an_option_in_vain_is_said_by_its_flag(kind, name):
    [text] = said(
        kind, named(name) | ({"contexts_from_llm": ("--x", "y")} if name == "llm" and kind != "files" else {})
    )
    assert text.startswith(f"{named(name)[name][0]}: passed over, since ")


@pytest.mark.parametrize("kind", IN_VAIN)
def test_options_with_an_effect_are_not_mentioned(kind):
    assert (
        said(kind, named(*WITH_EFFECT[kind] - {"contexts", "base" if kind == "training" else "", "probe"}))
        == []
    )
    assert said(kind, {}) == []


@pytest.mark.parametrize(
    ("kind", "names", "text"),
    [
        (
            "files",
            ["steps", "clip"],
            "--steps, --clip: passed over, since without --images nothing is drawn.",
        ),
        (
            "model",
            ["references", "guidance"],
            "--references, --guidance: passed over, since without --images",
        ),
        ("training", ["clip"], "--clip: passed over, since without --images nothing is drawn."),
        ("model", ["arm", "probe"], "--arm: passed over, since with --no-probe and without --images nothing"),
        ("model", ["anyway"], "--anyway: passed over, since no --preset is given."),
        ("training", ["images", "references"], "--references: passed over, since no measure looks at them"),
        ("model", ["llm"], "--llm: passed over, since no endpoint is named with --contexts-from-llm."),
        (
            "training",
            ["contexts", "contexts_from_llm"],
            "--contexts: passed over, since the sentences are those",
        ),
        ("training", ["model", "base"], "--base: passed over, since --model names the base model."),
    ],
)
def test_an_option_that_another_takes_the_meaning_from(kind, names, text):
    [found] = said(kind, named(*names))
    assert found.startswith(text)


def test_a_miniature_chooses_its_own_device():
    assert said("model", named("device", "dtype"), own=True)[0].startswith("--device, --dtype: passed over")
    assert said("model", named("device", "base"), own=True) == []


def test_the_command_says_it(diagnosed, tmp_path):
    file = (diagnosed / "embeddings" / "cat.safetensors", "--model", diagnosed / "model")
    result = run(*file, "--no-probe", "--lora", "x.safetensors", "--steps", 3, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    told = " ".join(result.stderr.split())
    assert "--lora, --no-probe: passed over, since a file is only compared with words." in told
    assert "--steps: passed over, since without --images nothing is drawn." in told


def test_the_command_says_it_of_a_model_and_of_a_training(diagnosed, tmp_path):
    asked = ("--contexts", diagnosed / "nowhere.txt", "--alpha", 0.3, "-o", tmp_path)
    of_model = run(*model_and_lora(diagnosed), *asked)
    of_training = run(diagnosed / "run", *asked, "--paper", "--no-probe")
    for result in (of_model, of_training):
        assert result.exit_code == 2  # for the contexts: so far it is cheap
        assert (
            "--alpha: passed over, since such an adjustment is tried with --arm tea:alpha=0.3"
            in result.stderr
        )
    assert "--no-probe, --paper: passed over" in of_training.stderr
    two = run(diagnosed / "run", "--model", "a", "--model", "b", "-o", tmp_path)
    assert two.exit_code == 2
    assert "A training has one base model; --model names 2." in two.stderr
