"""Every example of the page on pipelines runs, one after the other."""

import re
import warnings

import torch

import uncollapse as uc
from toys.docs import ROOT
from toys.pipelines import WIDTH, make_pipeline
from uncollapse.errors import UncollapseWarning

PAGE = ROOT / "docs" / "pipelines.md"


def test_the_examples_run(tmp_path, monkeypatch):
    (tmp_path / "path" / "to" / "training").mkdir(parents=True)
    delta = {"unet": {}, "modifier_token": {"<new1>": torch.randn(WIDTH)}}
    torch.save(delta, tmp_path / "path" / "to" / "training" / "delta.bin")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 7
    names = {"uc": uc, "pipe": make_pipeline(), "base_pipe": make_pipeline(seed=1)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UncollapseWarning)
        for example in examples:
            exec(compile(example, str(PAGE), "exec"), names)
    assert names["image"].size == (16, 16)
