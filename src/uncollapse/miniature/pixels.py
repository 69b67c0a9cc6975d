"""Pictures to tensors; every model of the miniature sees RGB in [-1, 1]."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def normalise(pictures: Tensor) -> Tensor:
    """``[n, 3, height, width]`` float32 in [-1, 1] from ``[n, height, width, 3]`` uint8."""
    return pictures.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1


def to_tensor(pictures: Sequence[Image.Image]) -> Tensor:
    """``[n, 3, height, width]`` float32 in [-1, 1] from pictures of one size."""
    return normalise(torch.from_numpy(np.stack([np.asarray(p) for p in pictures])))


def clip_pixels(images: Sequence[Image.Image]) -> Tensor:
    """Pictures as the miniature's CLIP sees them, ``[n, 3, 64, 64]`` in [-1, 1]."""
    return to_tensor([im.convert("RGB").resize((64, 64), Image.Resampling.LANCZOS) for im in images])
