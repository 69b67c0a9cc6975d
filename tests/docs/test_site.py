"""The site: every page and every public name is in it, and links lead somewhere, also without the site."""

import importlib
import re
import runpy
from inspect import isclass, isfunction, ismodule

import pytest
import yaml

from toys.docs import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
DOCSTRINGS = runpy.run_path(str(ROOT / "docs" / "docstrings.py"))
REFERENCE = runpy.run_path(str(ROOT / "docs" / "reference.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_of_the_repository(page):
    prose = CODE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(prose):
        if not re.match(r"https?:|#", link):
            target = (page.parent / link.partition("#")[0]).resolve()
            assert target.is_file(), link
            assert target.is_relative_to(ROOT), link


def test_every_page_is_in_the_navigation():
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r": (\S+\.md)$", settings, re.MULTILINE)
    ours = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.name != "README.md"}
    assert sorted(named) == sorted({*ours, "changelog.md"})


def test_nothing_is_fetched_from_elsewhere():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    assert settings["strict"] is True
    assert "http" not in yaml.dump(settings)


def test_the_reference_shows_what_each_package_does():
    pages = "".join(REFERENCE["pages"]().values())
    [_, *sections] = re.split(r"^## `(\S+)`$", pages, flags=re.MULTILINE)
    assert {"uncollapse", "uncollapse.errors", "uncollapse.metrics.sets"} <= {*sections[::2]}
    for title, section in zip(sections[::2], sections[1::2], strict=True):
        package = importlib.import_module(title)
        shown = re.findall(r"^(?:::: \S+\.|`)(\w+)", section, re.MULTILINE)
        assert shown == [n for n in package.__all__ if not ismodule(getattr(package, n))]


def test_the_reference_explains_a_name_once():
    explained = re.findall(r"^::: (\S+)\.(\w+)$", "".join(REFERENCE["pages"]().values()), re.MULTILINE)
    values = [getattr(importlib.import_module(package), name) for package, name in explained]
    things = [each for each in values if isclass(each) or isfunction(each)]
    assert len(things) == len(set(things)) > 100
    assert ("uncollapse.comparison.compare", "compare") in explained  # not the module of that name


def test_docstrings_are_put_as_the_builder_reads_them():
    labelled = "Returns: half,\n    rounded.\nRaises: TypeError."
    said = DOCSTRINGS["for_google"](f"Halves.\n\nArgs:\n    x: a number.\n\n{labelled}\n\n>>> halves(3)\n1")
    assert said.split("\n\n") == [
        "Halves.",
        "Args:\n    x: a number.",
        "**Returns:** half, rounded.",
        "**Raises:** TypeError.",
        "```pycon\n>>> halves(3)\n1\n```",
    ]
