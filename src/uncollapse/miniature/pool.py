"""The training pictures: rendered once, on all cores, and kept as one array beside their scenes."""

import os
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from .world import Scene, render, sample_scene

CHUNK = 256


def training_scene(index: int) -> Scene:
    """The scene of the ``index``-th training picture."""
    return sample_scene(random.Random(f"train {index}"))


def held_out_scene(index: int, style: str | None = None) -> Scene:
    """The ``index``-th evaluation scene, of a combination that no training scene has."""
    return sample_scene(random.Random(f"held out {index}"), held_out=True, style=style)


def _render_chunk(start: int) -> NDArray[np.uint8]:
    return np.stack([np.asarray(render(training_scene(start + i))) for i in range(CHUNK)])


def load_pool(path: Path, size: int) -> NDArray[np.uint8]:
    """Return ``[size, 64, 64, 3]`` training pictures, rendering them into ``path`` where they are missing."""
    if not path.exists():
        chunks = -(-size // CHUNK)
        part = path.with_suffix(".part.npy")
        pictures = np.lib.format.open_memmap(
            part, mode="w+", dtype=np.uint8, shape=(chunks * CHUNK, 64, 64, 3)
        )
        with ProcessPoolExecutor(os.cpu_count()) as workers:
            done = workers.map(_render_chunk, range(0, chunks * CHUNK, CHUNK))
            for i, chunk in enumerate(track(done, total=chunks, description="rendering the world")):
                pictures[i * CHUNK : (i + 1) * CHUNK] = chunk
        pictures.flush()
        part.rename(path)
    return np.load(path, mmap_mode="r")[:size]
