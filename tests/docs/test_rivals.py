"""The page on rivals: every arm typed there is one, and none is left out; the names of encoders."""

import re

import pytest

from toys.docs import ROOT
from toys.layouts import LAYOUTS
from toys.pipelines import make_pipeline
from uncollapse.adjusters import ADJUSTERS
from uncollapse.comparison import WAYS, parse_arm
from uncollapse.pipelines.sources import source_names

RIVALS, LEVELS = ((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("rivals.md", "levels.md"))
ROWS = re.findall(r"^\| `(\w+:.*?)` \|.*\| (\w+) \|[^|]*\|$", RIVALS, re.MULTILINE)


def test_every_rival_stands_in_the_table_at_its_level():
    ours = {name for name, made in {**ADJUSTERS, **WAYS}.items() if made.__module__.startswith("uncollapse.")}
    assert {text.partition(":")[0] for text, _ in ROWS} == ours
    for text, level in ROWS:
        adjuster = parse_arm(text).adjuster
        levels = adjuster.levels if adjuster and level != "model" else set()
        assert level == {2: "both", 1: next(iter(levels), ""), 0: level}[len(levels)]


def test_every_arm_that_is_typed_is_one():
    typed = re.findall(r"`(\w+:\w+=[^`]*)`", RIVALS) + re.findall(r"--arm (\S+)", LEVELS)
    assert len(typed) > len(ROWS)
    for text in typed:
        assert parse_arm(text)


@pytest.mark.parametrize(
    ("model", "make"),
    [
        ("Stable Diffusion 1 and 2", make_pipeline),
        ("SDXL", LAYOUTS["P N p n, two CLIPs side by side"]),
        ("Stable Diffusion 3", LAYOUTS["P N p n, CLIPs then T5"]),
        ("Flux", LAYOUTS["P p ids"]),
    ],
)
def test_the_names_of_encoders_are_those_of_the_pipelines(model, make):
    [row] = re.findall(rf"^\| {model} \| (.*) \|$", LEVELS, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) <= set(source_names(make()))
