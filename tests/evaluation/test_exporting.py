"""What other programs are given: every picture with what it was asked for, and no path of this machine."""

import json
import shutil
import tarfile

import pytest
from PIL import Image

from uncollapse.errors import FileFormatError, OutputError
from uncollapse.evaluation import EXPORTS, Run, export
from uncollapse.evaluation.store import keep_rows


@pytest.fixture
def run(drawn, tmp_path):
    """The run that is drawn, with a figure for each picture, in a folder of its own."""
    shutil.copytree(drawn.folder, tmp_path / "run")
    run = Run(tmp_path / "run")
    pictures = run.pictures()
    rows = [
        {
            "score": "clip_i|x|mean",
            "picture": pictures[row.job],
            "concept": row.concept,
            "prompt": row.prompt,
            "value": 1.5,
            "error": "",
        }
        for row in run.plan.rows
    ]
    keep_rows(rows, run.folder / "scores" / "x.jsonl")
    return run


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_image_folder_has_a_line_a_picture(run, tmp_path):
    rows = lines(export(run, "imagefolder", tmp_path / "out") / "metadata.jsonl")
    assert len(rows) == 18
    for row in rows:
        with Image.open(tmp_path / "out" / row["file_name"]) as image:
            assert image.size == (16, 16)
        assert row["scores"] == {"clip_i|x|mean": 1.5}
    assert {row["text"] for row in rows} >= {"a photo of sks cat in the snow", "a photo of cat in the snow"}


def test_a_webdataset_pairs_each_picture_with_its_text(run, tmp_path):
    with tarfile.open(export(run, "webdataset", tmp_path / "out.tar")) as archive:
        names = archive.getnames()
        assert len(names) == 36
        assert [name.partition(".")[0] for name in names[::2]] == [
            name.partition(".")[0] for name in names[1::2]
        ]
        assert json.load(archive.extractfile(names[1]))["seed"] in (0, 1)


def test_dreambenchs_three_folders_of_an_arm_have_the_same_names(run, tmp_path):
    out = export(run, "dreambench++", tmp_path / "out")
    assert {path.name for path in out.iterdir()} == {
        "LoRA, base",
        "LoRA, personalised",
        "LoRA, TEA α 0.4",
    }
    arm = out / "LoRA, base"
    stems = [
        {path.relative_to(arm / kind).with_suffix("") for path in (arm / kind).rglob("*.*")}
        for kind in ("src_image", "text", "tgt_image")
    ]
    assert stems[0] == stems[1] == stems[2]
    assert (arm / "text" / "tom" / "0_1.txt").read_text() == "a photo of cat in the snow"


@pytest.mark.parametrize("layout", EXPORTS)
def test_no_path_of_this_machine_is_written(run, tmp_path, bench, layout):
    out = export(run, layout, tmp_path / "out")
    for path in [out] if out.is_file() else filter(lambda each: each.is_file(), out.rglob("*")):
        data = path.read_bytes()
        assert str(tmp_path).encode() not in data
        assert str(bench).encode() not in data


def test_what_is_there_is_never_replaced(run, tmp_path, make_plan):
    with pytest.raises(OutputError, match="is there already"):
        export(run, "imagefolder", run.folder)
    with pytest.raises(FileFormatError, match="no layout 'zip', only imagefolder"):
        export(run, "zip", tmp_path / "out")
    with pytest.raises(FileFormatError, match="Nothing is drawn"):
        export(Run(tmp_path / "empty", make_plan()), "imagefolder", tmp_path / "out")
