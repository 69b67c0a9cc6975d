"""Embedding files as their programs write them, a folder of thirty, and a pickle that would do harm."""

from __future__ import annotations

import json
import os
import zlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from toys.pipelines import WIDTH

ROWS = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(0))
A1111 = {
    "string_to_token": {"*": 265},
    "string_to_param": {"*": ROWS},
    "name": "my-cat",
    "step": 500,
    "sd_checkpoint": "81761151",
    "sd_checkpoint_name": None,
}


def as_json(data) -> bytes:
    return json.dumps(data, default=lambda tensor: {"TORCHTENSOR": tensor.tolist()}).encode()


def hide(data: bytes, picture: np.ndarray) -> np.ndarray:
    """What A1111 does: two masked blocks, low and high halves of the bytes, a black column at each."""
    data = np.frombuffer(zlib.compress(data, 9), np.uint8)
    height = len(picture)
    width = -(-len(data) // (3 * height)) + 1
    state, mask = 0, []
    for _ in range(height * width * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        mask.append(state % 255 & 15)
    blocks = []
    for halves in (data & 15, data >> 4):
        block = np.resize(halves, (height, width, 3)) | 0xA0  # some pattern in the high bits
        blocks.append(block ^ np.array(mask, np.uint8).reshape(block.shape))
    black = np.zeros((height, 1, 3), np.uint8)
    return np.concatenate([blocks[0], black, picture, black, blocks[1]], axis=1)


class Harmful:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("harm-done",)


ANCHORS = {  # of files that do not state theirs
    "diffusers.safetensors": "cat",
    "half.safetensors": "dog",
    "bfloat16.safetensors": "hat",
    "sub/folder/learned_embeds.bin": "car",
    "<new1>.bin": "cat",
    "a1111.pt": "man",
    "first.pt": "woman",
    "picture.png": "beach",
    "kohya.safetensors": "small dog",
    "pivotal.safetensors": "cat",
    "sub/clip_l.safetensors": "bridge",
    "sub/trained.bin": "canyon",
}
OUTCOMES = {  # of the folder, where these anchors are given
    **dict.fromkeys([*ANCHORS, "stated.safetensors"], "baked"),
    **dict.fromkeys(["word.safetensors", "sub/long-cat.safetensors"], "in place"),
    **dict.fromkeys(
        [
            *["sdxl.safetensors", "flux.safetensors", "sd2.safetensors"],
            *["lora.safetensors", "bundle.safetensors", "sub/adapter_model.safetensors"],
            *["delta.bin", "weights.bin", "picture.preview.png", "sub/preview.webp"],
        ],
        "foreign",
    ),
    "cat-tea.safetensors": "baked already",
    "unknown.safetensors": "no anchor",
    **dict.fromkeys(["short.safetensors", "nan.safetensors", "harmful.pt"], "failed"),
}


def make_folder(folder, word_row, baked: bytes):
    """Thirty files, as one finds them in a folder of embeddings: OUTCOMES says what each is.

    Args:
        word_row: the token table's row of a word.
        baked: a file that was baked.
    """
    generator = torch.Generator().manual_seed(2)

    def far(rows=1):
        return 9 * torch.randn(rows, WIDTH, generator=generator)

    safetensors = {
        "diffusers": {"<my-cat>": far(2)},
        "half": {"<half>": far()[0].half()},
        "bfloat16": {"<bfloat16>": far().bfloat16()},
        "kohya": {"emb_params": far(3)},
        "pivotal": {"<s0>": far()[0], "<s1>": far()[0]},
        "sub/clip_l": {"clip_l": far()},
        "word": {"<word>": word_row("cat")[None].clone()},
        "sub/long-cat": {"<long-cat>": 50 * word_row("cat")[None]},
        "sdxl": {"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)},
        "flux": {"clip_l": torch.ones(1, 768), "t5": torch.ones(1, 4096)},
        "sd2": {"<sd2>": torch.ones(1, 1024)},
        "lora": {"lora_te_a.lora_down.weight": far(), "lora_te_a.lora_up.weight": far()},
        "bundle": {"bundle_emb.cat.emb_params": far(), "lora_te_a.alpha": torch.ones(1)},
        "sub/adapter_model": {"base_model.model.trainable_tokens_delta": far()},
        "unknown": {"<x>": far()},
        "nan": {"<t>": torch.full((1, WIDTH), torch.nan)},
    }
    old = torch.nn.ParameterDict({"*": torch.nn.Parameter(far())})
    torch_files = {
        "sub/folder/learned_embeds.bin": {"<car>": far()[0]},
        "<new1>.bin": {"<new1>": far()[0]},
        "sub/trained.bin": {"<trained>": far()},
        "a1111.pt": {**A1111, "string_to_param": {"*": far(3)}},
        "first.pt": {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": old},
        "delta.bin": {"unet": {"a": far()}, "modifier_token": {"<new1>": far()[0]}},
        "weights.bin": {"a.processor.to_k_custom_diffusion.weight": far(), "b.processor": {}},
        "harmful.pt": {"<t>": Harmful()},
    }
    (folder / "sub" / "folder").mkdir(parents=True)
    for name, entries in safetensors.items():
        save_file(entries, folder / f"{name}.safetensors")
    save_file({"emb_params": far()}, folder / "stated.safetensors", {"initialiser": "cat", "name": "my cat"})
    for name, entries in torch_files.items():
        torch.save(entries, folder / name)
    picture = np.full((64, 64, 3), 200, np.uint8)
    hidden = hide(as_json({**A1111, "string_to_param": {"*": far()}}), picture)
    Image.fromarray(hidden).save(folder / "picture.png")
    Image.fromarray(picture).save(folder / "picture.preview.png")
    Image.fromarray(picture).save(folder / "sub" / "preview.webp")
    (folder / "short.safetensors").write_bytes((folder / "kohya.safetensors").read_bytes()[:-8])
    (folder / "cat-tea.safetensors").write_bytes(baked)
    (folder / "notes.txt").write_text("not looked at")
    (folder / ".cat-scratch.safetensors").write_bytes(b"not looked at")
    return folder
