"""Pictures of one colour, and pictures as numbers."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIZE = 16


def picture(colour, size: int = SIZE) -> Image.Image:
    return Image.new("RGB", (size, size), colour)


def pixels(images):
    return np.stack([np.asarray(image, dtype=int) for image in images])
