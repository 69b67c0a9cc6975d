"""``uncollapse evaluate`` from the plan to the figures, on a toy of the miniature and on others' pictures."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from toys import suites as toys
from toys.clip import save_clip
from toys.miniature import toy_miniature
from toys.pictures import picture
from uncollapse.cli.app import make_app
from uncollapse.evaluation import Run
from uncollapse.miniature import MINIATURES


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    toy = toy_miniature(tmp_path_factory.mktemp("miniature"))
    (toy.folder / "clip").mkdir()
    (toy.folder / "judge.safetensors").write_bytes(b"")
    return toy


@pytest.fixture(autouse=True)
def _offline_default(monkeypatch, toy):
    monkeypatch.setitem(MINIATURES, "unet", toy)


def run(*arguments):
    return CliRunner().invoke(make_app(), ["evaluate", *map(str, arguments)])


BUNDLED = ("plan", "--suite", "bundled", "--seeds", 1)


@pytest.fixture(scope="module")
def drawn(toy, tmp_path_factory):
    """A run of the bundled suite, with what its commands printed."""
    folder = tmp_path_factory.mktemp("evaluate") / "run"
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(MINIATURES, "unet", toy)
        return folder, run(*BUNDLED, "-o", folder), run("draw", folder)


@pytest.fixture
def copied(drawn, tmp_path):
    shutil.copytree(drawn[0], tmp_path / "run")
    return tmp_path / "run"


def test_a_plan_prints_what_will_be_drawn_and_what_comes_next(drawn):
    folder, plan, _ = drawn
    assert plan.exit_code == 0, plan.output
    assert "arms             3: base, personalised, TEA α 0.2" in plan.stdout
    assert "pictures         9" in plan.stdout
    assert f"uncollapse evaluate draw {folder}" in plan.output


def test_drawing_ends_with_how_many_there_are(drawn):
    folder, _, draw = drawn
    assert draw.exit_code == 0, draw.output
    assert "9 of 9 pictures are drawn." in draw.stdout
    assert Run(folder).plan.settings.num_inference_steps == 2  # the miniature's own
    assert json.loads(run("draw", folder, "--json").stdout) == {"pictures": 9, "drawn": 9, "errors": {}}


def test_what_is_missing_ends_with_3_and_which(copied):
    (copied / next(iter(Run(copied).pictures().values()))).unlink()
    (MINIATURES["unet"].model / "model_index.json").rename(copied / "model_index.json")
    try:
        result = run("draw", copied)
        assert result.exit_code == 3, result.output
        assert "failed: PipelineError" in result.stdout
        assert "Missing jobs: " in result.output
    finally:
        (copied / "model_index.json").rename(MINIATURES["unet"].model / "model_index.json")


def test_a_shard_ends_well_when_its_part_is_done(tmp_path):
    assert run(*BUNDLED, "-o", tmp_path / "run").exit_code == 0
    result = run("draw", tmp_path / "run", "--shard", "1/3")
    assert result.exit_code == 0, result.output
    assert "3 of 9 pictures are drawn." in result.stdout
    assert "The other parts of 3 are missing." in result.output


def test_figures_are_printed_beside_their_identity(copied, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    result = run("score", copied, "--profile", "uncollapse")
    assert result.exit_code == 0, result.output
    assert "LoRA, TEA α 0.2" in result.stdout
    assert "photos among themselves" in result.stdout
    assert "|100cos|text=context|mean" in result.stdout
    data = json.loads(run("score", copied, "--profile", "uncollapse", "--json").stdout)
    assert [arm["arm"] for arm in data["arms"]] == ["base", "personalised", "TEA α 0.2"]
    assert len(data["arms"][0]["means"]) == 6
    exported = run("export", copied, "--to", "imagefolder", "-o", copied / "out")
    assert exported.exit_code == 0, exported.output
    assert len((copied / "out" / "metadata.jsonl").read_text().splitlines()) == 9


def test_others_pictures_are_taken_in_and_scored(tmp_path):
    toys.own((tmp_path / "suite").mkdir() or tmp_path / "suite")
    for arm in ("before", "after"):
        for name in ("tom/0_0", "tom/1_0", "rex/0_0", "rex/9_0"):
            (tmp_path / arm / name).parent.mkdir(parents=True, exist_ok=True)
            picture("red" if arm == "after" else "blue").save(tmp_path / arm / f"{name}.png")
    given = ("--method", "theirs", "--data", tmp_path / "suite", "-o", tmp_path / "run")
    result = run("import", tmp_path / "before", tmp_path / "after", *given)
    assert result.exit_code == 0, result.output
    assert "6 of 6 pictures were taken." in result.stdout
    assert "1 files belong to no prompt of the suite" in result.output
    clip = save_clip(tmp_path / "clip")
    scored = run("score", tmp_path / "run", "--profile", "uncollapse", "--clip", clip)
    assert scored.exit_code == 0, scored.output
    assert "theirs, after" in scored.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "-o", "run"), "Which concepts and prompts? Give a folder with --data, or --suite bundled."),
        (("plan", "--suite", "dreambooth", "-o", "run"), "git clone https://github.com/google/dreambooth"),
        (
            ("plan", "--suite", "dreambooth", "--data", "nowhere", "-o", "run"),
            "There is nothing at 'nowhere'",
        ),
        (("plan", "--suite", "bundled", "--data", "x", "-o", "run"), "--data is not for the bundled suite"),
        (("plan", "--data", "suite", "-o", "run"), "give it with --methods"),
        ((*BUNDLED, "--split", "half", "-o", "run"), "--split 'half' is neither dev nor test"),
        ((*BUNDLED, "--concept", "cow", "-o", "run"), "no concept 'cow'"),
        ((*BUNDLED, "--arm", "none", "-o", "run"), "is no way to draw"),
        (("draw", "run"), "There is no run in 'run'"),
        (("score", "run", "--profile", "dino"), "There is no profile 'dino'"),
        (("score", "run", "--profile", "cc101", "--as-published"), "--as-published changes nothing"),
        (("import", "x", "--method", "a", "-o", "run"), "Which concepts and prompts?"),
        (
            ("import", "x", "--method", "a", "--scores", "--suite", "tea", "-o", "c"),
            "--scores needs no suite",
        ),
        (("import", "suite", "--method", "a", "--scores", "-o", "c"), "holds no published scores"),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toys.own((tmp_path / "suite").mkdir() or tmp_path / "suite")
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert says in " ".join(result.output.split())
