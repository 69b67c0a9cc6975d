"""The folder of a run: drawn, stopped, divided, moved, gone on with, damaged, and never mixed up."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from uncollapse.concept import Concept
from uncollapse.errors import FileFormatError, OutputError
from uncollapse.evaluation import Local, Run, Shard, arm_called, drawing, read_methods
from uncollapse.models.generation import GenerationSettings, generate
from uncollapse.models.loading import load_lora, load_pipeline
from uncollapse.output import saved_settings


def files(run):
    return {path.relative_to(run.folder).as_posix() for path in (run.folder / "images").rglob("*.png")}


class Stopping:
    """An engine that is stopped after some batches."""

    def __init__(self, after):
        self.after = after

    def map(self, jobs, make_worker, sink):
        Local().map(jobs[: self.after], make_worker, sink)
        raise KeyboardInterrupt


def test_everything_wanted_is_drawn_and_named_by_its_content(drawn):
    progress = drawn.progress
    assert (progress.pictures, progress.drawn, progress.complete, progress.errors) == (18, 18, True, {})
    assert drawn.todo == []
    assert set(drawn.pictures().values()) == files(drawn)
    rows = [json.loads(line) for line in (drawn.folder / "plan.jsonl").read_text().splitlines()]
    assert len(rows) == 18
    assert {row["arm"] for row in rows} == {"base", "personalised", "TEA α 0.4"}


def test_a_picture_is_what_the_house_draws_and_says_how(drawn, bench):
    job = next(
        j for j in drawn.plan.jobs.values() if j.concept == "rex" and j.arm.startswith("tea") and j.seed == 1
    )
    picture = drawn.folder / drawn.pictures()[job.id]
    pipe = load_pipeline(bench / "model", device="cpu", dtype=torch.float32)
    load_lora(pipe, bench / "loras" / "rex" / "pytorch_lora_weights.safetensors")
    pipe.set_progress_bar_config(disable=True)
    with arm_called(job.arm).drawing(pipe, Concept("sks dog", "dog")):
        texts = [job.text] * 2
        *_, image = generate(pipe, texts, [0, 1], GenerationSettings(num_inference_steps=2))
    assert np.array_equal(np.asarray(image), np.asarray(Image.open(picture)))
    said = saved_settings(picture)
    assert said["job"] == job.depends
    assert said["prompt"] == "sks dog asleep on a red sofa"
    assert str(bench) not in picture.read_bytes().decode("latin1")


@pytest.fixture(scope="module")
def whole(make_plan, tmp_path_factory):
    """A smaller run, drawn at one go, of four batches."""
    plan = make_plan(seeds=(0,), arms=("base", "personalised"))
    run = Run(tmp_path_factory.mktemp("whole") / "run", plan)
    assert run.draw().complete
    return run


def test_a_run_that_was_stopped_goes_on_and_draws_the_same_bytes(whole, tmp_path):
    run = Run(tmp_path / "run", whole.plan)
    with pytest.raises(KeyboardInterrupt):
        run.draw(Stopping(2))
    again = Run(tmp_path / "run")
    assert again.progress.drawn == 3
    count = []
    again.draw(on_images=count.append)
    assert count == [2, 1]
    assert again.pictures() == whole.pictures()
    assert files(again) == files(whole)


def test_shards_draw_the_same_bytes_and_merge_by_copying(whole, tmp_path):
    for index in (1, 2):
        shard = Run(tmp_path / str(index), whole.plan)
        assert not shard.draw(Shard(index, 2)).complete
    shutil.copytree(tmp_path / "1", tmp_path / "2", dirs_exist_ok=True)
    assert Run(tmp_path / "2").progress.complete
    assert Run(tmp_path / "2").pictures() == whole.pictures()


def test_the_folder_may_be_moved_and_knows_its_photos(drawn, tmp_path):
    shutil.copytree(drawn.folder, tmp_path / "moved")
    moved = Run(tmp_path / "moved")
    assert moved.progress.complete
    for concept in moved.plan.suite.concepts:
        assert all(photo.is_relative_to(tmp_path) and photo.is_file() for photo in concept.photos)
    assert moved.plan.suite.concepts[0].one_photo.suffix == ".png"


def test_the_photo_of_single_references_may_lie_elsewhere(make_plan, tmp_path):
    suite = make_plan(arms=("base",)).suite
    elsewhere = tmp_path / "other.png"
    Image.new("RGB", (4, 4)).save(elsewhere)
    first = replace(suite.concepts[0], photo=elsewhere)
    plan = make_plan(arms=("base",), suite=replace(suite, concepts=(first,)))
    [concept] = Run(tmp_path / "run", plan).plan.suite.concepts
    assert concept.one_photo.read_bytes() == elsewhere.read_bytes()
    assert len(concept.photos) == 3


def test_a_picture_that_is_gone_is_drawn_again(drawn, tmp_path):
    shutil.copytree(drawn.folder, tmp_path / "run")
    run = Run(tmp_path / "run")
    job, picture = next(iter(run.pictures().items()))
    (run.folder / picture).unlink()
    run = Run(tmp_path / "run")
    assert run.progress.errors == {"the picture is gone": 1}
    assert [job in [each.id for each in batch.jobs] for batch in run.todo] == [True]
    assert run.draw().complete
    assert (run.folder / picture).exists()


def test_another_plan_is_refused_and_what_differs_is_said(drawn, make_plan):
    with pytest.raises(FileFormatError, match="holds another plan: it differs in seeds"):
        Run(drawn.folder, make_plan(seeds=(0, 1, 2)))
    with pytest.raises(FileFormatError, match="it differs in arms, settings"):
        Run(drawn.folder, make_plan(arms=("base",), settings=GenerationSettings(batch_size=3)))
    assert Run(drawn.folder).progress.complete


def test_the_same_plan_is_gone_on_with(drawn, make_plan):
    assert Run(drawn.folder, make_plan()).progress.complete


def test_an_error_is_a_row_and_the_others_are_drawn(bench, make_plan, tmp_path):
    shutil.copytree(bench, tmp_path / "bench")
    plan = make_plan(seeds=(0,), arms=("personalised",))
    _, methods = read_methods(tmp_path / "bench" / "methods.toml")
    run = Run(tmp_path / "run", make_plan(seeds=(0,), arms=("personalised",), methods=methods))
    assert set(run.plan.jobs) == set(plan.jobs)
    lora = tmp_path / "bench" / "loras" / "rex" / "pytorch_lora_weights.safetensors"
    lora.write_bytes(b"damaged")
    progress = run.draw()
    assert (progress.pictures, progress.drawn, progress.complete) == (3, 2, False)
    [(error, count)] = progress.errors.items()
    assert count == 1
    assert "damaged" in error
    assert [batch.jobs[0].concept for batch in run.todo] == ["rex"]


def test_a_full_disk_ends_the_work(make_plan, tmp_path, monkeypatch):
    run = Run(tmp_path / "run", make_plan(seeds=(0,), arms=("base",)))

    def full(*_):
        raise OutputError("No space left on device.")

    monkeypatch.setattr(drawing, "keep_picture", full)
    with pytest.raises(OutputError, match="No space"):
        run.draw()
    assert not list((run.folder / "draws").glob("*"))


def test_folders_that_are_none_of_a_run(tmp_path, drawn):
    with pytest.raises(FileFormatError, match="There is no run in"):
        Run(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(FileFormatError, match="is of no run"):
        Run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(FileFormatError, match="cannot be read"):
        Run(tmp_path)
    data = json.loads((drawn.folder / "run.json").read_text())
    del data["suite"]
    (tmp_path / "run.json").write_text(json.dumps(data))
    with pytest.raises(FileFormatError, match="is damaged"):
        Run(tmp_path)


def test_a_broken_line_is_named(drawn, tmp_path):
    shutil.copytree(drawn.folder, tmp_path / "run")
    broken = next((tmp_path / "run" / "draws").glob("*.jsonl"))
    broken.write_text(broken.read_text() + '{"job": ')
    with pytest.raises(FileFormatError, match=rf"{broken.name}', line \d is no JSON"):
        _ = Run(tmp_path / "run").progress
