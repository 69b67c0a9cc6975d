"""What benchmarks leave behind: readable again, with what made it, and nothing of whose machine it was."""

from __future__ import annotations

import importlib.util
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
spec = importlib.util.spec_from_file_location("recorder", BENCHMARKS / "recorder.py")
recorder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recorder)

ITEM = ("recipe", "seed")


def saved(folder: Path, seed: int, value: float) -> dict:
    """An item of two records, as its own recorder leaves it."""
    each = recorder.Recorder("toy", folder / f"{seed}.json", steps=2)
    for step in (0, 1):
        each.add({"recipe": "r", "seed": seed, "step": step, "value": value})
    return each.save()


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, encoding="utf-8"
    )
    return done.stdout.strip()


def test_a_file_says_what_made_it_and_holds_every_record(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks/toy.py", "--steps", "2"])
    each = recorder.Recorder("toy", tmp_path / "new" / "toy.json", steps=2, scales=(1.0, 2.0))
    each.add({"item": "α", "kept": True})
    each.add({"item": "β", "kept": False})
    returned = each.save({"kept": 0.5})
    found = json.loads((tmp_path / "new" / "toy.json").read_text(encoding="utf-8"))
    assert found == returned
    assert found["benchmark"] == "toy"
    assert found["command"] == "python benchmarks/toy.py --steps 2"
    assert found["settings"] == {"steps": 2, "scales": [1.0, 2.0]}
    assert found["environment"]["python"] == platform.python_version()
    assert {"cpu", "cores", "threads"} < set(found["environment"])
    assert {"torch", "numpy", "uncollapse"} <= set(found["environment"]["packages"])
    assert found["seconds"] >= 0
    assert found["summary"] == {"kept": 0.5}
    assert found["records"] == [{"item": "α", "kept": True}, {"item": "β", "kept": False}]


@pytest.mark.parametrize("count", [0, 1])
def test_few_records_are_json_too(tmp_path, count):
    each = recorder.Recorder("toy", tmp_path / "toy.json")
    for _ in range(count):
        each.add({})
    each.save()
    assert recorder.read(tmp_path / "toy.json")["records"] == [{}] * count


def test_a_file_that_cannot_be_made_leaves_the_earlier_one_as_it_was(tmp_path):
    path = tmp_path / "toy.json"
    path.write_text("earlier")
    each = recorder.Recorder("toy", path)
    each.add({"value": object()})
    with pytest.raises(TypeError):
        each.save()
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_no_local_path_and_no_host(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "alices-laptop")
    typed = ["--model", "/home/alice/models/mine", "--output=/home/alice/x.json", "--photos", "../alice/cats"]
    monkeypatch.setattr(sys, "argv", ["/home/alice/uncollapse/benchmarks/toy.py", *typed, "--name", "a/b"])
    each = recorder.Recorder("toy", tmp_path / "toy.json", model=Path("/home/alice/models/mine"), name="a/b")
    each.add({"file": "~/alice/cats/1.png", "prompt": "a photo of a cat ..."})
    found = each.save({"best": ["/home/alice/cats/1.png"]})
    assert "alice" not in (tmp_path / "toy.json").read_text()
    assert found["command"] == (
        "python benchmarks/toy.py --model mine --output=x.json --photos cats --name a/b"
    )
    assert found["settings"] == {"model": "mine", "name": "a/b"}
    assert found["records"] == [{"file": "1.png", "prompt": "a photo of a cat ..."}]


def test_commit(tmp_path):
    assert recorder.commit(tmp_path) is None
    git(tmp_path, "init")
    assert recorder.commit(tmp_path) is None  # nothing in it yet
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "source.py").write_text("1")
    (tmp_path / "benchmarks" / "results" / "toy.json").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    clean = {"head": git(tmp_path, "rev-parse", "HEAD"), "dirty": False}
    assert recorder.commit(tmp_path) == clean
    (tmp_path / "benchmarks" / "results" / "toy.json").write_text("2")  # what the benchmark before this wrote
    assert recorder.commit(tmp_path) == clean
    (tmp_path / "new.py").write_text("2")
    assert recorder.commit(tmp_path) == {**clean, "dirty": True}


def test_a_folder_within_another_project_has_no_commit(tmp_path):
    (tmp_path / "source.py").write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    (tmp_path / "uncollapse").mkdir()
    assert recorder.commit(tmp_path / "uncollapse") is None


def test_no_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert recorder.commit() is None


def test_lines_gather_items_of_many_runs(tmp_path):
    path = tmp_path / "toy.jsonl"
    one, two = (saved(tmp_path, seed, 0.5) for seed in (2, 10))
    for each in (two, one):
        recorder.Lines(path, *ITEM).add(each)  # as if the run between them had been killed
    run = {"run": {name: value for name, value in one.items() if name != "records"}}
    assert lines_of(path)[:3] == [run, *one["records"]]
    assert [line["seed"] for line in lines_of(path) if "run" not in line] == [2, 2, 10, 10]
    assert recorder.Lines(path, *ITEM).items == {("r", 2): one, ("r", 10): two}


def test_an_item_measured_again_replaces_itself_alone(tmp_path):
    path = tmp_path / "toy.jsonl"
    lines = recorder.Lines(path, *ITEM)
    for seed in (0, 1):
        lines.add(saved(tmp_path, seed, 0.5))
    again = saved(tmp_path, 0, 0.75)
    recorder.Lines(path, *ITEM).add(again)
    records = recorder.Lines(path, *ITEM).records
    assert records["r", 0] == again["records"]
    assert [record["value"] for record in records["r", 1]] == [0.5, 0.5]


def test_files_from_before_the_recorder(tmp_path):
    records = [{"recipe": "r", "seed": 1, "step": step, "value": 1.0} for step in (0, 1)]
    (tmp_path / "1.json").write_text(json.dumps(records))
    assert recorder.read(tmp_path / "1.json") == {"records": records}
    path = tmp_path / "toy.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    lines = recorder.Lines(path, *ITEM)
    lines.add(saved(tmp_path, 0, 0.5))
    assert lines_of(path)[-2:] == records
    assert recorder.Lines(path, *ITEM).items["r", 1] == {"records": records}  # not by the run above them


@pytest.mark.parametrize("name", ["diagnosis_verdict", "training_curves"])
def test_published_lines_stay_as_they_are(tmp_path, name):
    published = BENCHMARKS / "results" / f"{name}.jsonl"
    path = tmp_path / published.name
    path.write_bytes(published.read_bytes())
    lines = recorder.Lines(path, "recipe", "concept", "seed")
    lines.add(next(iter(lines.items.values())))
    assert path.read_bytes() == published.read_bytes()


@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.stem)
def test_every_benchmark_records_by_it(script):
    text = script.read_text(encoding="utf-8")
    assert "sys.path" not in text
    if "__main__" in text and ("Recorder" in text or "Lines" not in text):  # else it tabulates another's
        assert f'Recorder("{script.stem}"' in text or f'"{script.stem}",\n' in text
