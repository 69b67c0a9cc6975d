"""Trainings at toy size: photos in a folder, and what must not have moved."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from PIL import Image

COLOURS = ("purple", "indigo", "teal", "olive")


def make_photos(folder: Path, count: int = 3, size: tuple[int, int] = (20, 18)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, colour in zip(range(count), COLOURS, strict=False):
        Image.new("RGB", size, colour).save(folder / f"{i}.png")
    return folder


def write_captions(folder: Path, captions: dict[str, str]) -> Path:
    """The photos' own prompts, as ReVersion wants them."""
    lines = [json.dumps({"file_name": name, "text": text}) + "\n" for name, text in captions.items()]
    path = folder / "metadata.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def everything(pipe) -> dict:
    """Every weight of a pipeline, every flag, and what its parts are."""
    models = {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}
    return {
        "parts": {name: id(part) for name, part in pipe.components.items()},
        "modules": {name: [type(module) for module in model.modules()] for name, model in models.items()},
        "weights": {f"{n}.{k}": v.clone() for n, m in models.items() for k, v in m.state_dict().items()},
        "flags": [p.requires_grad for model in models.values() for p in model.parameters()],
        "modes": [module.training for model in models.values() for module in model.modules()],
        "tokens": {n: len(part) for n, part in pipe.components.items() if n.startswith("tokenizer")},
    }


def assert_same(before: dict, after: dict) -> None:
    """Bit for bit."""
    assert before["weights"].keys() == after["weights"].keys()
    for name, weight in before["weights"].items():
        assert torch.equal(weight, after["weights"][name]), name
    for name in before.keys() - {"weights"}:
        assert before[name] == after[name], name
