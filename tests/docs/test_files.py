"""Every example of the pages on files and tensors runs, and what they claim of Compel holds."""

import re
import shutil
import sys
import types
from pathlib import Path

import compel
import pytest
import torch
from safetensors.torch import load_file, save_file

import uncollapse as uc
from toys.docs import ROOT, blocks, run_commands
from toys.pipelines import encode, save_lora
from uncollapse.carrying import FitSettings
from uncollapse.cli import bake_lora
from uncollapse.learned_embeds import read, write


@pytest.fixture
def lora_at_hand(at_hand, lora_pipe, monkeypatch):
    """And a LoRA, which is fitted in no time."""
    save_lora(lora_pipe, at_hand).rename("my-dog.safetensors")
    few = FitSettings(rank=2, captions=8, steps=2, batch=4, measured=4)
    monkeypatch.setattr(bake_lora, "FitSettings", lambda: few)


@pytest.fixture
def folder_at_hand(at_hand):
    """And a folder of embeddings, one of which is no file for this model."""
    (at_hand / "embeddings" / "pets").mkdir(parents=True)
    shutil.copy("my-cat.safetensors", "embeddings")
    write("embeddings/pets/tom.pt", read("my-cat.safetensors"))
    save_file({"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}, "embeddings/sdxl.safetensors")
    [anchors] = re.findall(r"`anchors\.json` says [^`]*`(.*?)`", (ROOT / "docs/files.md").read_text("utf-8"))
    (at_hand / "anchors.json").write_text(anchors)


def test_the_page_on_files(folder_at_hand, lora_at_hand, pipe):
    for language, text in blocks("docs/files.md"):
        if language == "python":
            names = {"pipe": pipe}
            exec(text, names)
        else:
            run_commands(text)
    assert Path("my-cat-again.safetensors").read_bytes() == Path("my-cat.safetensors").read_bytes()
    assert read("my-cat-tea.safetensors").metadata["uncollapse.anchor"] == "cat"
    dog, again = (load_file(f"my-dog{name}.safetensors") for name in ("", "-again"))
    assert {name: each.tolist() for name, each in dog.items()} == {k: x.tolist() for k, x in again.items()}
    again = {path.name: path.read_bytes() for path in Path("embeddings-again").rglob("*.*")}
    assert again == {
        path.name: path.read_bytes() for path in Path("embeddings").rglob("*.*") if path.stem != "sdxl"
    }
    assert len(list(Path("embeddings-tea-2").rglob("*.safetensors"))) == 2
    assert read("my-cat-tea-2.safetensors").metadata["uncollapse.alpha"] == "0.3"
    assert (read("my-cat.pt").layout, read("my-cat-kohya.safetensors").layout) == ("a1111", "kohya")
    assert names["prompt"] == "a photo of <my-cat> in the snow"
    assert "<my-cat>_1" in pipe.tokenizer.get_vocab()


def test_the_readme_on_files_and_tensors(at_hand, pipe):
    v, c = torch.randn(2, 1, 4, 8)
    names = {"uc": uc, "pipe": pipe, "prompt_embeds": v, "anchor_embeds": c}
    for language, text in blocks("README.md", "**On embedding files**"):
        exec(text, names) if language == "python" else run_commands(text)
    assert Path("my-cat-tea.safetensors").exists()
    assert names["adjusted"].shape == (1, 4, 8)


@pytest.fixture
def sd_embed(monkeypatch):
    """Stands in for sd_embed, which is not on the package index: what it returns, without the weights."""
    module = types.ModuleType("sd_embed.embedding_funcs")

    def encoded(pipe, prompt="", neg_prompt=""):
        return encode(pipe, re.sub(r"\((.*?):[\d.]+\)", r"\1", prompt), neg_prompt)

    module.get_weighted_text_embeddings_sd15 = encoded
    monkeypatch.setitem(sys.modules, "sd_embed", types.ModuleType("sd_embed"))
    monkeypatch.setitem(sys.modules, "sd_embed.embedding_funcs", module)


def test_the_page_on_tensors(pipe, sd_embed):
    names = {"pipe": pipe}
    adjusted = []
    for _, text in blocks("docs/tensors.md"):
        exec(text, names)
        adjusted.append(names.get("adjusted"))
        assert names.get("image") is None or names["image"].size == (16, 16)
    with uc.apply(pipe, "sks cat", anchor="cat", alpha=0.6, beta=1.0):
        expected = encode(pipe, "a photo of sks cat in the snow")[0]
    torch.testing.assert_close(adjusted[-1], expected)
    assert not torch.allclose(adjusted[1], expected)  # Compel's weight on the snow is still in it
    assert torch.equal(names["negative_prompt_embeds"], encode(pipe, "", "blurry")[1])


PROMPTS = [
    ("sks cat wearing a red hat", "cat"),
    ("a photo of sks cat", "small dog"),
    ("sks cat and a dog on the beach near sks cat", "big cat"),
]


@pytest.mark.parametrize(("prompt", "anchor"), PROMPTS)
def test_compel_and_adjust_give_what_apply_gives(lora_pipe, prompt, anchor):
    names = {}
    exec(blocks("docs/tensors.md")[0][1], names)
    weigh = compel.Compel(tokenizer=lora_pipe.tokenizer, text_encoder=lora_pipe.text_encoder)
    with torch.no_grad():
        prompt_embeds = weigh(prompt)
        lora_pipe.disable_lora()
        anchor_embeds = weigh(prompt.replace("sks cat", anchor))
        lora_pipe.enable_lora()
    pairs = names["partners"](lora_pipe.tokenizer, prompt, "sks cat", anchor)
    ours = uc.adjust(prompt_embeds, anchor_embeds[:, pairs], alpha=0.4, beta=1.2, mask=pairs >= 0)
    with uc.apply(lora_pipe, "sks cat", anchor=anchor, alpha=0.4, beta=1.2):
        torch.testing.assert_close(ours, encode(lora_pipe, prompt)[0], atol=1e-5, rtol=1e-4)
