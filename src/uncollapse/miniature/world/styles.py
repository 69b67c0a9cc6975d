"""The styles: a drawn picture turned into a pencil sketch, a neon sign, a watercolour or a blueprint.

Each takes and returns ``[height, width, 3]`` float32 in [0, 1] at the enlarged size.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]


def _blur(x: Picture, radius: int) -> Picture:
    """A box blur, twice, along both axes."""
    for axis in (0, 1, 0, 1):
        width = 2 * radius + 1
        pad = [(0, 0)] * x.ndim
        pad[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(x, pad, mode="edge"), axis=axis, dtype=np.float64)
        upper = np.take(total, range(width, total.shape[axis]), axis=axis)
        lower = np.take(total, range(0, total.shape[axis] - width), axis=axis)
        x = ((upper - lower) / width).astype(np.float32)
    return x


def _edges(picture: Picture) -> Picture:
    """Where the colour changes, ``[height, width, 1]`` in [0, 1], about a pixel and a half wide."""
    step = 2
    right = np.abs(np.roll(picture, -step, 1) - np.roll(picture, step, 1)).max(-1)
    down = np.abs(np.roll(picture, -step, 0) - np.roll(picture, step, 0)).max(-1)
    edges = np.maximum(right, down)
    edges[:step], edges[-step:], edges[:, :step], edges[:, -step:] = 0, 0, 0, 0
    return _blur(np.clip(edges * 2.6, 0, 1)[..., None], 1)


def _clipped(picture: Picture) -> Picture:
    within: Picture = np.clip(picture, 0, 1)
    return within


def photo(picture: Picture) -> Picture:
    return picture


def sketch(picture: Picture) -> Picture:
    grey = picture.mean(-1, keepdims=True)
    paper = np.array([0.97, 0.95, 0.90], np.float32)
    return _clipped(paper * (0.78 + 0.22 * grey) - 0.6 * _edges(picture))


def neon(picture: Picture) -> Picture:
    edges = _edges(picture)
    top = _blur(picture, 3).max(-1, keepdims=True)
    hue = _blur(picture, 3) / np.maximum(top, 1e-3)
    glow = hue**2 * edges
    night = np.array([0.05, 0.03, 0.10], np.float32)
    return _clipped(night + 0.13 * picture + 0.9 * glow + 1.1 * _blur(glow, 3))


def watercolor(picture: Picture) -> Picture:
    soft = _blur(picture, 2)
    height, width, _ = picture.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = np.clip((np.maximum(np.abs(x), np.abs(y)) - 0.72) * 4, 0, 1)[..., None].astype(np.float32)
    washed = 0.52 * soft + 0.48 - 0.14 * _blur(_edges(picture), 1)
    return _clipped(washed * (1 - vignette) + vignette).astype(np.float32)


def blueprint(picture: Picture) -> Picture:
    base = np.array([0.08, 0.22, 0.55], np.float32)
    line = np.array([0.88, 0.94, 1.0], np.float32)
    tone = base * (0.85 + 0.35 * picture.mean(-1, keepdims=True))
    edges = _edges(picture)
    return _clipped(tone * (1 - edges) + line * edges)


FILTERS: dict[str, Callable[[Picture], Picture]] = {
    f.__name__: f for f in (photo, sketch, neon, watercolor, blueprint)
}
