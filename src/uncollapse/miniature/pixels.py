"""Pictures to tensors; every model of the miniature sees RGB in [-1, 1]."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor


def to_tensor(pictures: Sequence[Image.Image] | NDArray, device: torch.device | None = None) -> Tensor:
    """``[n, 3, height, width]`` float32 in [-1, 1] from PIL images or ``[n, height, width, 3]`` uint8."""
    array = np.stack([np.asarray(p) for p in pictures])
    return torch.from_numpy(array).to(device).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1


def clip_pixels(images: list[Image.Image]) -> Tensor:
    """Pictures as the miniature's CLIP sees them, ``[n, 3, 64, 64]`` in [-1, 1]."""
    return to_tensor([im.convert("RGB").resize((64, 64), Image.Resampling.LANCZOS) for im in images])
