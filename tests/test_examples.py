"""The examples run, at reduced size, and the tutorials' pages are of the scripts that stand here."""

import re
import runpy
import sys

import pytest
from PIL import Image

from toys.docs import ROOT

EXAMPLES = ROOT / "examples"
TUTORIALS = ["cure_a_lora", "cure_and_bake", "train_diagnose_cure"]
PRINTED = re.compile(r"\n\n```text\n.*?\n```", re.DOTALL)
REDUCED = ["--prompts", "1", "--seeds", "1", "--steps", "2"]
TRAINED = {"train_diagnose_cure": ["--training-steps", "2", "--contexts", "2"]}


@pytest.fixture
def pages(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    import pages

    return pages


def test_the_world_is_drawn_into_the_named_file(tmp_path, monkeypatch):
    path = tmp_path / "world.png"
    monkeypatch.setattr(sys, "argv", ["draw_the_world.py", str(path)])
    runpy.run_path(str(EXAMPLES / "draw_the_world.py"), run_name="__main__")
    with Image.open(path) as sheet:
        assert sheet.width > sheet.height > 300


@pytest.mark.thorough
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_runs_and_draws_what_its_page_shows(name, pages, tmp_path):
    printed = pages.run(name, "--output", str(tmp_path), *REDUCED, *TRAINED.get(name, []))
    assert any("likeness kept" in each for each in printed)
    shown = re.findall(r"\(\.\./images/(\S+)\)", pages.page(name))
    assert shown
    for picture in shown:
        with Image.open(tmp_path / picture) as drawn, Image.open(ROOT / "docs" / "images" / picture) as kept:
            assert drawn.width == kept.width


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_page_is_its_script_and_what_that_printed(name, pages):
    """``python examples/pages.py`` writes it anew."""
    page = (ROOT / "docs" / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
    assert PRINTED.sub("", page) == pages.page(name)
    assert PRINTED.search(page)


def test_a_script_falls_into_text_and_code(pages):
    lines = ["x = 1", "", "# Said", "# of `x`.", "#", "# More.", "", "# And more.", "", "x += 1  # here"]
    assert pages.parts("\n".join(['"""Title', "", "Head.", '"""', "", *lines, ""])) == (
        "Title\n\nHead.",
        [(False, "x = 1"), (True, "Said\nof `x`.\n\nMore.\n\nAnd more."), (False, "x += 1  # here")],
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_says_again_what_its_page_says(name, pages, tmp_path):
    """Shares may differ by a picture or two with the processor."""
    page = (ROOT / "docs" / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
    printed = "\n".join(pages.run(name, "--output", str(tmp_path)))
    before, after = ([int(share) for share in re.findall(r"(\d+)% \[", text)] for text in (page, printed))
    assert len(before) == len(after) > 10
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= 15
