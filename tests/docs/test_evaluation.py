"""The page on evaluation: its example runs, its files are read, its commands and tables are there."""

import shlex
import tomllib

import pytest
from typer.testing import CliRunner

from toys import suites as toys
from toys.docs import ROOT, blocks
from toys.miniature import toy_miniature
from uncollapse.cli.app import make_app
from uncollapse.evaluation import EXPORTS, PROFILES, read_methods, suites
from uncollapse.miniature import MINIATURES

EXAMPLES = blocks("docs/evaluation.md")
PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(MINIATURES, "unet", toy_miniature(tmp_path / "miniature"))
    monkeypatch.chdir(tmp_path)
    [example] = [text for language, text in EXAMPLES if language == "python"]
    names = {}
    exec(example, names)
    assert names["run"].progress.pictures == 3 * 2 * 2


def test_its_files_are_read(tmp_path):
    suite, methods = [text for language, text in EXAMPLES if language == "toml"]
    toys.photos(tmp_path / "photos" / "tom", "cat")
    (tmp_path / "suite.toml").write_text(suite)
    assert len(suites.load(tmp_path).concepts[0].prompts) == 2
    (tmp_path / "methods.toml").write_text(methods)
    base, [method] = read_methods(tmp_path / "methods.toml")
    assert (base.dtype, method.kind) == ("float16", tomllib.loads(methods)["method"][0]["kind"])


def commands():
    typed = [text for language, text in EXAMPLES if not language]
    return [line for text in typed for line in text.splitlines() if line.startswith("uncollapse")]


@pytest.mark.parametrize("command", commands())
def test_the_commands_take_these_options(command):
    words = shlex.split(command)
    shown = CliRunner().invoke(make_app(), [*words[1:3], "--help"]).output
    for option in (word for word in words if word.startswith("--")):
        assert f"{option} " in shown, option


def test_its_tables_name_all_there_are():
    for name in (*PROFILES, *suites.LAYOUTS, *EXPORTS):
        assert f"`{name}`" in PAGE, name
