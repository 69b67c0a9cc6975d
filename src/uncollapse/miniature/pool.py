"""The training data: pictures rendered once, on all cores, and several captions of each."""

from __future__ import annotations

import os
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from .world import Scene, describe, foreground, render, sample_scene

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

CHUNK = 256
CELLS = 16  # of a latent picture, each way
CAPTIONS = 8  # of each picture: different words, other things left unsaid


def training_scene(index: int, *, tidy: bool = False) -> Scene:
    """The scene of the ``index``-th training picture."""
    return replace(sample_scene(random.Random(f"train {index}")), tidy=tidy)


def held_out_scene(index: int, style: str | None = None) -> Scene:
    """The ``index``-th evaluation scene, of a combination that no training scene has."""
    return sample_scene(random.Random(f"held out {index}"), held_out=True, style=style)


def _render_chunk(start: int, tidy: bool) -> NDArray[np.uint8]:
    return np.stack([np.asarray(render(training_scene(start + i, tidy=tidy))) for i in range(CHUNK)])


def load_pool(path: Path, size: int, *, tidy: bool = False) -> Tensor:
    """Training pictures ``[size, 64, 64, 3]`` uint8, rendered into ``path`` where they are missing."""
    if not path.exists():
        chunks = -(-size // CHUNK)
        part = path.with_suffix(".part.npy")
        pictures = np.lib.format.open_memmap(
            part, mode="w+", dtype=np.uint8, shape=(chunks * CHUNK, 64, 64, 3)
        )
        with ProcessPoolExecutor(os.cpu_count()) as workers:
            done = workers.map(partial(_render_chunk, tidy=tidy), range(0, chunks * CHUNK, CHUNK))
            for i, chunk in enumerate(track(done, total=chunks, description="rendering the world")):
                pictures[i * CHUNK : (i + 1) * CHUNK] = chunk
        pictures.flush()
        part.rename(path)
    return torch.from_numpy(np.load(path)[:size])


def _foreground_chunk(start: int) -> NDArray[np.float32]:
    shown = np.stack([foreground(training_scene(start + i, tidy=True)) for i in range(CHUNK)])
    cells: NDArray[np.float32] = shown.reshape(CHUNK, CELLS, 64 // CELLS, CELLS, 64 // CELLS).mean((2, 4))
    return cells


def training_foreground(size: int) -> Tensor:
    """How much of each cell of the tidy pictures shows a subject or what it wears ``[size, 16, 16]``."""
    starts = range(0, size, CHUNK)
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        done = track(workers.map(_foreground_chunk, starts), total=len(starts), description="foreground")
        return torch.from_numpy(np.concatenate(list(done))[:size])


def training_chances(size: int) -> Tensor:
    """How often to look at each training picture ``[size]``, relative to a plain subject alone.

    More often where there is more to learn: second subjects, accessories (most of all a flag, pale before
    the sky), patterns.
    """

    def chance(scene: Scene) -> float:
        extra = 5.0 if scene.accessory == "flag" else 3.0 if scene.accessory or scene.second else 1.0
        return extra * (2.0 if scene.pattern else 1.0)

    return torch.tensor([chance(training_scene(i)) for i in range(size)])


def training_captions(tokenizer: CLIPTokenizer, size: int) -> Tensor:
    """Captions of the training pictures as padded token ids ``[size, CAPTIONS, length]`` int32."""
    rng = random.Random("captions")
    texts = [describe(training_scene(i), rng) for i in range(size) for _ in range(CAPTIONS)]
    ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="np").input_ids
    return torch.from_numpy(ids.astype(np.int32)).view(size, CAPTIONS, -1)


def pick_captions(captions: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """One caption at random ``[k, length]`` of each of ``k`` chosen among ``[n, captions, length]``."""
    which = torch.randint(captions.shape[1], chosen.shape, generator=generator, device=generator.device)
    return captions[chosen, which]
