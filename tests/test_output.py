"""Whole files or none, and settings that can be read back."""

import json
import math
import os
import signal
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from toys.pictures import picture
from uncollapse.errors import OutputError
from uncollapse.output import (
    check_writable,
    save_json,
    save_png,
    save_safetensors,
    save_text,
    scratch_folder,
    write_atomically,
    writing,
)


@contextmanager
def another_process(work):
    """A process of its own that is within ``work`` until it is killed."""
    reading, telling = os.pipe()
    with warnings.catch_warnings(action="ignore"):  # pytest's threads, of which the child knows nothing
        child = os.fork()
    if not child:
        try:
            with work():
                os.write(telling, b"there")
                time.sleep(60)
        finally:
            os._exit(1)

    def kill():
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    os.close(telling)
    with os.fdopen(reading, "rb") as told:
        assert told.read(5) == b"there"
        yield kill


def test_scratch_files_of_killed_processes_are_removed_and_those_of_others_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    @contextmanager
    def at_work():
        owner = picture("red")
        (scratch_folder(owner) / "1.png").touch()
        with writing(tmp_path / "picture.png"):
            yield

    foreign = tmp_path / ".uncollapse-elsewhere-1-x.png"
    foreign.touch()
    with another_process(at_work) as kill:
        left = {path for path in tmp_path.iterdir() if path != foreign}
        assert len(left) == 2
        path = save_text("mine", tmp_path / "report.html")
        assert set(tmp_path.iterdir()) == {path, foreign, *left}
        kill()
    save_text("mine", path)
    assert set(tmp_path.iterdir()) == {path, foreign}


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = save_text("before", tmp_path / "report.html")

    def half_way(unfinished):
        unfinished.write_text("half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_atomically(path, half_way)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_system_error_becomes_a_sentence(tmp_path):
    def no_space(unfinished):
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"report\.html.*No space left on device\. Make room"):
        write_atomically(tmp_path / "report.html", no_space)
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_and_files_are_as_readable_as_others(tmp_path):
    path = save_text("text", tmp_path / "a" / "b" / "report.html")
    other = tmp_path / "other"
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


def test_a_png_carries_its_settings(tmp_path):
    settings = {"prompt": "a photo of sks cat – “été”", "seed": 3, "adjustment": {"alpha": 0.2}, "x": None}
    path = save_png(picture("red"), tmp_path / "image.png", settings | {"x": math.inf})
    with Image.open(path) as image:
        assert json.loads(image.text["uncollapse"]) == settings
        assert image.getpixel((0, 0)) == (255, 0, 0)


def test_the_check_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == []


def test_the_check_names_a_file_in_the_way(tmp_path):
    save_text("", tmp_path / "file")
    with pytest.raises(OutputError, match="is a file"):
        check_writable(tmp_path / "file" / "folder")


def test_the_check_finds_a_folder_that_takes_no_files():
    with pytest.raises(OutputError, match="Cannot write to"):
        check_writable(Path("/proc/uncollapse"))
    with pytest.raises(OutputError, match="File name too long"):
        check_writable(Path("a" * 300))


def test_json_has_null_for_what_it_cannot_say(tmp_path):
    data = {"a": [1.5, math.nan, (math.inf, {"b": -math.inf})], "c": "nan", "d": True}
    path = save_json(data, tmp_path / "data.json")
    assert json.loads(path.read_text()) == {"a": [1.5, None, [None, {"b": None}]], "c": "nan", "d": True}
    assert data["a"][2][0] == math.inf  # what was given stays as it is


def test_the_same_tensors_and_metadata_are_the_same_bytes(tmp_path):
    tensors = {"<t>": torch.randn(2, 5), "été": torch.randn(3).bfloat16(), "one": torch.ones(1).half()}
    metadata = {f"key {i}": f"“{i}” " * i for i in range(30)}
    files = [
        save_safetensors(tensors, tmp_path / f"{i}.safetensors", some)
        for i, some in enumerate([metadata, metadata, dict(reversed(metadata.items()))])
    ]
    assert len({file.read_bytes() for file in files}) == 1
    torch.testing.assert_close(load_file(files[0]), tensors, rtol=0, atol=0)
    with safe_open(files[0], framework="pt") as opened:
        assert opened.metadata() == {"format": "pt", **metadata}
    length = int.from_bytes(files[0].read_bytes()[:8], "little")
    assert length % 8 == 0  # safetensors aligns the tensors
