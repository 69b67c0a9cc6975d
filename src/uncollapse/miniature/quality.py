"""How good the miniature is: prompts of combinations that never occur in training, read by the judge."""

import time

import torch
from diffusers import StableDiffusionPipeline

from .judge import Judge
from .pool import held_out_scene
from .world import describe

GUIDANCE_SCALE = 6.0
STEPS = 20


def _latents(pipe: StableDiffusionPipeline, seeds: list[int]) -> torch.Tensor:
    shape = (1, pipe.unet.config.in_channels, pipe.unet.config.sample_size, pipe.unet.config.sample_size)
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in seeds]
    return torch.cat(noise).to(pipe.device)


def composition(
    pipe: StableDiffusionPipeline, judge: Judge, prompts: int = 200, batch: int = 25
) -> dict[str, float]:
    """Share of pictures that show each thing, among those asked for it; of each that any was asked for."""
    hits: dict[str, list[bool]] = {
        n: [] for n in ("subject", "colour", "place", "accessory", "style", "second")
    }
    scenes = [held_out_scene(50_000 + i) for i in range(prompts)]
    for start in range(0, prompts, batch):
        chunk = scenes[start : start + batch]
        images = pipe(
            [describe(s) for s in chunk],
            latents=_latents(pipe, list(range(start, start + len(chunk)))),
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE_SCALE,
        ).images
        for scene, reading in zip(chunk, judge.read(images), strict=True):
            for name, marks in hits.items():
                plain_colour = scene.pattern is None and scene.style not in ("sketch", "blueprint")
                if getattr(scene, name) is not None and (name != "colour" or plain_colour):
                    marks.append(getattr(reading, name) == getattr(scene, name))
    return {name: sum(marks) / len(marks) for name, marks in hits.items() if marks}


def seconds_for_eight(pipe: StableDiffusionPipeline) -> float:
    """Seconds for eight pictures in one batch, the best of three."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        pipe(["a photo of a cat in the snow"] * 8, num_inference_steps=STEPS, guidance_scale=GUIDANCE_SCALE)
        times.append(time.perf_counter() - started)
    return min(times)
