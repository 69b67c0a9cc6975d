"""What a benchmark leaves behind, the same for all: machine, packages, commit, settings, and every item.

    recorder = Recorder("bake", output, runs=5)            # tries the folder, and starts the clock
    recorder.add({"work": "inspect", "seconds": 3.2})      # for every item
    recorder.save({"median": 3.2})                         # and what they come to

That makes one JSON. A benchmark of many long items gives each one a recorder with a file of its own, by which
a stopped run goes on, and gathers what they saved in ``Lines``. Files are written whole or not at all. Of
local paths only the last part is kept, and a host's name is never asked for.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import uncollapse
from uncollapse.output import check_writable, save_text

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "torch", "numpy", "safetensors", "tokenizers", "transformers", "diffusers", "accelerate",
    "peft", "scipy", "compel",
)  # fmt: skip
WRITTEN = ("benchmarks/results", "docs")  # by benchmarks: no change of what they measure


class Recorder:
    """Collects the records of one run.

    Args:
        benchmark: its name.
        path: of the JSON file.
        settings: what decides the numbers.
    """

    def __init__(self, benchmark: str, path: Path, **settings: Any) -> None:
        check_writable(path.parent)
        self.path, self.started = path, time.monotonic()
        self.records: list[dict[str, Any]] = []
        self.run = {
            "benchmark": benchmark,
            "command": command(),
            "commit": commit(),
            "environment": environment(),
            "settings": settings,
        }

    def add(self, record: Mapping[str, Any]) -> None:
        self.records.append(dict(record))

    def save(self, summary: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Write the file, and return what stands in it."""
        took = {"seconds": round(time.monotonic() - self.started, 1), "load": load()}
        head = {**self.run, **took} | ({"summary": summary} if summary else {})
        data = without_paths({**head, "records": self.records})
        save_text(_text(data), self.path)
        return data


def read(path: Path) -> dict[str, Any]:
    """What a recorder saved; of an older file, which is a bare list, its records alone."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return {"records": found} if isinstance(found, list) else found


def _text(data: dict[str, Any]) -> str:
    """JSON with a record a line, so that a change of one shows as one."""
    head = json.dumps({k: v for k, v in data.items() if k != "records"}, indent=1, ensure_ascii=False)
    records = ",\n".join(f"  {_line(record)}" for record in data["records"])
    return f'{head[:-2]},\n "records": [\n{records}\n ]\n}}\n'


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


class Lines:
    """A file of JSON lines that gathers the items of many runs: those of earlier ones stay in it.

    An item's records follow a line ``{"run": …}``, which says what made them; older files have none.

    Args:
        path: of the file; what is there is read.
        keys: fields of a record that name its item.
    """

    def __init__(self, path: Path, *keys: str) -> None:
        self.path, self.keys = path, keys
        self.items: dict[tuple, dict[str, Any]] = {}
        if not path.exists():
            return
        run: dict[str, Any] = {}
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if set(line) == {"run"}:
                run = line["run"]
                continue
            if (key := self._key(line)) not in self.items:
                self.items[key], run = {**run, "records": []}, {}
            self.items[key]["records"].append(line)

    @property
    def records(self) -> dict[tuple, list[dict[str, Any]]]:
        return {key: self.items[key]["records"] for key in sorted(self.items)}

    def add(self, saved: dict[str, Any]) -> None:
        """Take up what an item's recorder saved, in place of an earlier one's, and write the file anew."""
        self.items[self._key(saved["records"][0])] = saved
        lines = []
        for key, records in self.records.items():
            run = {name: value for name, value in self.items[key].items() if name != "records"}
            lines += [_line({"run": run})] if run else []
            lines += map(_line, records)
        save_text("".join(f"{line}\n" for line in lines), self.path)

    def _key(self, record: dict[str, Any]) -> tuple:
        return tuple(record[key] for key in self.keys)


def environment() -> dict[str, Any]:
    """The machine and the packages that decide numbers."""
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        **gpu,
        "packages": {
            "uncollapse": uncollapse.__version__,  # an editable install's metadata may be older
            **{name: found for name in PACKAGES if (found := _version(name))},
        },
    }


def _cpu() -> str:
    """The processor's model, in its maker's words where the system tells them."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def load() -> list[float] | None:
    """How many processes ran, over the last 1, 5 and 15 minutes; None where the system does not count."""
    return [round(each, 2) for each in os.getloadavg()] if hasattr(os, "getloadavg") else None


def commit(root: Path = ROOT) -> dict[str, Any] | None:
    """The commit that ``root`` is at, and whether files differ from it; None where it is no repository."""
    try:
        top, head = _git(root, "rev-parse", "--show-toplevel", "HEAD").split("\n")
        changed = _git(root, "status", "--porcelain", "--", ".", *(f":!{each}" for each in WRITTEN))
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"head": head, "dirty": bool(changed)} if Path(top).resolve() == root.resolve() else None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, encoding="utf-8")
    return done.stdout.strip()


def command() -> str:
    """What was typed, so that it can be typed again."""
    script, *arguments = sys.argv
    return shlex.join(["python", f"benchmarks/{Path(script).name}", *map(_argument, arguments)])


def _argument(text: str) -> str:
    option, equals, value = text.rpartition("=")
    return option + equals + without_paths(value)


def without_paths(value: Any) -> Any:
    """``value`` as JSON has it, with nothing but the last part of any path of this machine's."""
    if isinstance(value, Mapping):
        return {name: without_paths(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(each) for each in value]
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str) and (Path(value).is_absolute() or value.startswith(("~", "./", "../"))):
        return Path(value).name
    return value
