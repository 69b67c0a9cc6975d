"""The first page's example runs, on the miniature itself, and leaves it as it was."""

import re

import torch

from toys.docs import ROOT
from toys.pipelines import encode

PAGE = ROOT / "docs" / "index.md"


def test_the_example_runs():
    [example] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(example.split("with uc.apply")[0], names)
    prompt = "a photo of sks dog"
    plain = encode(names["pipe"], prompt)[0]
    names["pipe"].set_progress_bar_config(disable=True)
    exec("with uc.apply" + example.split("with uc.apply")[1], names)
    assert names["image"].size == (64, 64)
    assert torch.equal(encode(names["pipe"], prompt)[0], plain)
