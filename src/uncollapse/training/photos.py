"""The photos that a concept is learned from, made square; all of them are read before anything starts."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import TrainingError, UncollapseWarning
from ..models.loading import image_paths, load_images

__all__ = ["checksums", "read_photos", "read_pictures"]

FEWEST, MOST = 3, 30


def read_photos(folder: str | Path, resolution: int) -> Tensor:
    """All photos of a folder, upright, cut to their central square.

    Args:
        folder: with PNG, JPEG or WebP images of any size.
        resolution: pixels of a side.

    Returns: ``[n, 3, resolution, resolution]``, float32 in [−1, 1], by file name.
    Raises: FileFormatError, naming the image that cannot be read, or the folder that holds none;
        TrainingError, for more than 30, which is a data set rather than a concept.
    """
    pictures = read_pictures(folder, resolution)
    if len(pictures) > MOST:
        raise TrainingError(
            f"'{folder}' holds {len(pictures)} photos, and a concept is learned from {FEWEST} to {MOST}. "
            "Choose the clearest."
        )
    if len(pictures) < FEWEST:
        warnings.warn(
            f"'{folder}' holds {len(pictures)} photo{'s' * (len(pictures) > 1)}: what is learned will be the "
            f"picture more than the concept. Give {FEWEST} or more.",
            UncollapseWarning,
            stacklevel=2,
        )
    return pictures


def read_pictures(folder: str | Path, resolution: int) -> Tensor:
    """However many there are, as ``read_photos`` returns them."""
    from PIL import Image, ImageOps

    images = load_images(folder)
    square = [ImageOps.fit(image, (resolution,) * 2, Image.Resampling.LANCZOS) for image in images]
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in square]))
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def checksums(folder: str | Path) -> list[str]:
    """By which a folder's photos are known again, in the order in which they are read."""
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in image_paths(folder)]
