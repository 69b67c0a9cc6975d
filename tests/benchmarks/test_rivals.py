"""The comparison of rivals: what is asked for, and what is said of records that are not all there."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def modules():
    """``rivals`` and ``rivals_table``, which import each other by name."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("rivals"), importlib.import_module("rivals_table")
    sys.path.remove(str(BENCHMARKS))


def test_the_prompts_are_none_that_tuning_sees_and_each_asks_for_another_place(modules):
    rivals, _ = modules
    for name, concept in rivals.MINIATURE.concepts.items():
        prompts = rivals.fresh_prompts(name)
        tuned_on = {prompt.template for prompt in rivals.MINIATURE.context_prompts(concept)}
        assert not tuned_on & {prompt.template for prompt in prompts}
        assert len({prompt.place for prompt in prompts} - {concept.place}) == len(prompts)


def test_a_style_and_a_second_subject_count_as_context(modules):
    rivals, _ = modules
    style = next(p for p in rivals.fresh_prompts("cat") if p.style != "photo")
    second = next(p for p in rivals.fresh_prompts("cat") if p.second)
    for prompt in (style, second):
        seen = {"subject": "cat", "colour": "red", "pattern": None, "pattern_colour": None}
        seen |= {"place": prompt.place, "accessory": None, "style": prompt.style, "second": prompt.second}
        assert prompt.kept(rivals.Reading(**seen))
        assert not prompt.kept(rivals.Reading(**(seen | {"style": "sketch"})))
    assert not second.kept(rivals.Reading(**(seen | {"second": None})))


def test_custom_diffusions_weights_go_part_of_the_way_back_and_return(modules):
    rivals, _ = modules
    attention = torch.nn.Module()
    attention.processor = torch.nn.Module()
    for name, own in (("to_k", 3.0), ("to_v", 5.0)):
        for holder, called, value in (
            (attention, name, 1.0),
            (attention.processor, f"{name}_custom_diffusion", own),
        ):
            layer = torch.nn.Linear(2, 2, bias=False)
            torch.nn.init.constant_(layer.weight, value)
            setattr(holder, called, layer)
    pipe = SimpleNamespace(unet=torch.nn.ModuleList([attention]))

    def weights():
        return [
            getattr(attention.processor, f"{name}_custom_diffusion").weight.mean().item()
            for name in ("to_k", "to_v")
        ]

    with rivals.arm_of("weights:times=0.5").drawing(pipe, None):
        assert weights() == [2.0, 3.0]
    assert weights() == [3.0, 5.0]


def test_the_noun_follows_the_learned_token(modules):
    rivals, _ = modules
    concept = rivals.Concept("<my-cat>", "cat")
    assert rivals.arm_of("noun").asked(concept, "a photo of {}") == "a photo of <my-cat> cat"
    assert rivals.arm_of("noun:alpha=0.2").adjuster.alpha == 0.2


def unit(folder: Path, recipe: str, concept: str, ways: dict[str, tuple[str, str]]) -> None:
    """A unit's file, with the marks of context and likeness of each way."""
    item = {"recipe": recipe, "concept": concept, "training": 1, "seed": 0, "ways": "leading"}
    records = [
        item | {"way": way, "context_kept": [*map(int, context)], "identity_kept": [*map(int, likeness)]}
        for way, (context, likeness) in ways.items()
    ]
    (folder / f"{recipe}-{concept}.json").write_text(json.dumps({"records": records}))


def test_what_is_there_is_tabulated_and_what_is_missing_said(modules, tmp_path, capsys):
    _, table = modules
    (tmp_path / "images").mkdir()
    page = tmp_path / "instead.md"
    page.write_text(f"before\n{table.MARKS[0]}old\n{table.MARKS[1]}after\n")
    for concept, context in (("cat", "11110000"), ("dog", "11111111")):
        ways = {"personalised": ("00000000", "11111111"), "tea:alpha=0/1/1,beta=1": (context, "11111100")}
        unit(tmp_path, "base", concept, {"base": ("11111111", "00000000")})
        unit(tmp_path, "dreambooth", concept, ways)
    for file in tmp_path.glob("base-*.json"):  # the base model has no trainings
        file.write_text(file.read_text().replace('"training": 1', '"training": 0'))
    table.main(work=tmp_path, results=tmp_path / "rivals.jsonl", docs=tmp_path)
    said = capsys.readouterr().out
    assert "48 pictures, 1 seed of each prompt." in said
    assert "LoRA, text queries and keys: 10 of 12 at seed 0 (leading), 12 of 12 at seed 0 (tried)" in said
    assert "| TEA α 0/1/1 | **62** (75/75) |" in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert (tmp_path / "images" / "rivals.png").exists()
    again = (tmp_path / "rivals.md").read_text()
    table.main(work=tmp_path / "none", results=tmp_path / "rivals.jsonl", docs=tmp_path)
    assert (tmp_path / "rivals.md").read_text() == again
