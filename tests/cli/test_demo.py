"""The demo, on a miniature of the miniature: what it writes, prints and refuses."""

import json
from dataclasses import replace

import pytest
from PIL import Image
from typer.testing import CliRunner

from toys.miniature import ToyMiniature, toy_miniature
from uncollapse.cli.app import make_app
from uncollapse.miniature import MINIATURES


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toy_miniature(tmp_path_factory.mktemp("miniature"))


@pytest.fixture(autouse=True)
def _offline_default(monkeypatch, toy):
    monkeypatch.setitem(MINIATURES, "unet", toy)


def run(*arguments):
    return CliRunner().invoke(make_app(), ["demo", *map(str, arguments)])


ADJUSTED = ["TEA α 0.2", "TEA α 0/1/1", "text LoRA × 0.25"]
SHORT = ("--prompts", 1, "--seeds", 2)


@pytest.fixture(scope="module")
def demo(toy, tmp_path_factory):
    """What it printed, and its folder."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(MINIATURES, "unet", toy)
        return run("-o", folder, *SHORT), folder


def test_it_writes_a_sheet_a_report_and_the_results(demo):
    result, folder = demo
    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == {"contact_sheet.png", "report.html", "results.json"}
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert sheet.width > 500
    results = json.loads((folder / "results.json").read_text())
    assert [arm["name"] for arm in results["arms"]] == ["base", "personalised", *ADJUSTED]
    assert len(results["records"]) == 5 * 1 * 2
    assert {"context_kept", "identity_kept", "clip_t_full", "clip_i"} <= set(results["records"][0])


def test_it_prints_a_table_and_a_sentence(demo):
    result, folder = demo
    assert "and the likeness in" in " ".join(result.stdout.split())
    assert "with TEA α 0/1/1" in " ".join(result.stdout.split())
    assert "The personalised model keeps the asked-for context in" in " ".join(result.stdout.split())
    assert "report.html" in result.stdout
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<code>uncollapse diagnose --placeholder &#39;sks cat&#39; --anchor cat</code>" in page
    assert "10 images" not in result.stdout
    assert "10 images in" in result.stderr


def test_the_same_command_draws_the_same_pictures(demo, tmp_path):
    assert run("-o", tmp_path, *SHORT).exit_code == 0
    sheets = [(folder / "contact_sheet.png").read_bytes() for folder in (demo[1], tmp_path)]
    assert sheets[0] == sheets[1]


def test_json_alone_is_on_stdout(tmp_path):
    (tmp_path / "report.html").write_text("another run's")
    result = run("-o", tmp_path, "--prompts", 1, "--seeds", 1, "--alpha", 0.3, "--json")
    data = json.loads(result.stdout, parse_constant=pytest.fail)  # one seed has no spread, and JSON no NaN
    assert data["files"]["report"] == str(tmp_path / "report-2.html")
    assert (tmp_path / "report.html").read_text() == "another run's"
    assert data["concept"]["placeholder"] == "sks cat"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--alpha", "1.5"], "alpha"),
        (["--alpha", "nan"], "alpha"),
        (["--beta", "0"], "beta"),
        (["--concept", "unicorn"], "was taught no concept 'unicorn', only 'sks cat'"),
        (["--concept", "untrained"], "was taught no concept 'untrained'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path, arguments, words):
    result = run("-o", tmp_path / "demo", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "demo").exists()


def test_an_output_that_is_a_file_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(ToyMiniature, "pipeline", lambda self: pytest.fail("worked before looking"))
    (tmp_path / "file").write_text("mine")
    result = run("-o", tmp_path / "file" / "demo")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is a file" in result.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_a_miniature_without_weights_says_how_to_make_them(tmp_path, monkeypatch, toy):
    monkeypatch.setitem(MINIATURES, "unet", replace(toy, taught={}))
    result = run("-o", tmp_path / "demo")
    assert result.exit_code == 2
    assert "python -m uncollapse.miniature.build" in result.stderr
    assert not (tmp_path / "demo").exists()
