"""The page on adding one's own: each example runs, and the commands know all of them."""

import json
from pathlib import Path

import pytest

import uncollapse as uc
from toys.diagnoses import TEMPLATES
from toys.docs import blocks, run_commands
from toys.miniature import toy_miniature
from toys.outline import Outline
from toys.pipelines import add_lora, encode
from toys.registries import as_it_was
from toys.trainings import make_photos
from uncollapse.adjusters import ADJUSTERS
from uncollapse.comparison import MEASURES, WAYS, parse_arm
from uncollapse.metrics import SCORES
from uncollapse.miniature import MINIATURES
from uncollapse.training import METHODS

EXAMPLES = blocks("docs/extending.md")


@pytest.fixture
def names(at_hand, pipe):
    """What the page's file, and what stands in it, is called."""
    known = {"uc": uc, "pipe": pipe, "__name__": "mine"}
    with as_it_was(ADJUSTERS, WAYS, SCORES, MEASURES, METHODS, MINIATURES):
        for language, text in EXAMPLES:
            if language == "python":
                exec(text, known)
        yield known


def test_the_adjuster_draws_and_moves_the_concept_alone(names):
    assert names["image"].size == (16, 16)
    lora_pipe = names["pipe"]
    add_lora(lora_pipe)
    prompt = "a photo of sks cat in the snow"
    plain = encode(lora_pipe, prompt)[0]
    with uc.apply(lora_pipe, "sks cat", anchor="cat", adjuster=names["Halfway"](0.7)):
        moved = encode(lora_pipe, prompt)[0]
    places = (moved != plain).any(-1)[0].nonzero().flatten().tolist()
    tokens = lora_pipe.tokenizer(prompt)["input_ids"]
    [sks, cat] = lora_pipe.tokenizer("sks cat", add_special_tokens=False)["input_ids"]
    assert [tokens[place] for place in places] == [sks, cat]


def test_the_way_is_asked_for_by_its_name(names):
    assert parse_arm("strict:guidance=4").call == {"guidance_scale": 4.0}


def test_the_commands_know_all_of_it(names, at_hand):
    make_photos(at_hand / "photos")
    toy = toy_miniature(at_hand / "path" / "to" / "miniature", name="mine", title="my own miniature")
    assert names["MINIATURES"]["mine"].model == Path("path/to/miniature/model")
    MINIATURES["mine"] = toy
    [commands] = [text for language, text in EXAMPLES if language == "sh"]
    run_commands(shorter(commands))
    results = json.loads(Path("out/results.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in results["arms"]][-1] == "Halfway"
    assert all(0 <= record["brightness"] <= 255 for record in results["records"])
    page = Outline(Path("diagnosis/report.html").read_text(encoding="utf-8"))
    assert "Halfway" in page.text
    assert "(tint)" in page.text
    assert "my own miniature" in Path("demo/report.html").read_text(encoding="utf-8")


def shorter(commands):
    """The same, with fewer steps and pictures."""
    short = {
        "generate": "--steps 2 -n 1",
        "train": "--steps 2 --batch-size 2",
        "diagnose": "--steps 2 --contexts contexts.txt",
        "demo": "--prompts 1 --seeds 1",
    }
    Path("contexts.txt").write_text("\n".join(TEMPLATES), encoding="utf-8")
    lines = [line.removeprefix("python mine.py ") for line in commands.strip().splitlines()]
    return "\n".join(f"uncollapse {line} {short[line.split()[0]]}" for line in lines)
