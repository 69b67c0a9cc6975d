"""Embedding files as their programs write them, and a pickle that would do harm."""

from __future__ import annotations

import json
import os
import zlib

import numpy as np
import torch

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
