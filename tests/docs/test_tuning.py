"""The page on tuning: its examples run, and its commands are those that there are."""

import shlex

from typer.testing import CliRunner

import uncollapse as uc
from toys.comparisons import PROMPTS
from toys.docs import blocks
from toys.pipelines import encode
from uncollapse.cli.app import make_app
from uncollapse.tuning import read_preset

SCORES = {"base": (30.0, 10.0), "personalised": (10.0, 90.0)}
EXAMPLES = blocks("docs/tuning.md")


def measure(images, prompts):
    pairs = [SCORES.get(record.arm, (25.0, 85.0)) for record in images._records]
    return [{"clip_t_context": context, "clip_i": likeness} for context, likeness in pairs]


def test_the_examples_run(lora_pipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lora_pipe.set_progress_bar_config(disable=True)
    names = {"uc": uc, "pipe": lora_pipe, "prompts": PROMPTS, "measures": [measure]}
    plain = encode(lora_pipe, "a photo of sks dog")[0]
    for language, text in EXAMPLES:
        if language == "python":
            exec(text, names)
    assert names["image"].size == (16, 16)
    assert read_preset("preset.json").measured["keep"] == "likeness 95%"
    assert encode(lora_pipe, "a photo of sks dog")[0].equal(plain)


def test_the_commands_take_these_options():
    typed = [text for language, text in EXAMPLES if language != "python"]
    commands = [line for text in typed for line in text.replace("\\\n", " ").splitlines()]
    for command in commands:
        words = shlex.split(command.replace("…", ""))
        shown = CliRunner().invoke(make_app(), [words[1], "--help"]).output
        for option in (word for word in words if word.startswith("--")):
            assert f"{option} " in shown, (words[1], option)
