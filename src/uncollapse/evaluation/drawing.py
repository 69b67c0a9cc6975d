"""`Drawer`: the worker that draws batches: a pipeline with one adapter, kept as long as it is needed.

An error is a row and not the end: a batch whose weights are damaged, or for which memory does not suffice,
says so, and the others are drawn. Only a place that cannot be written to ends the work.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..concept import Concept
from ..errors import OutputError
from ..models.generation import generate
from ..models.loading import first_line
from ..output import png
from ..subjects import own_subject, quiet_pipeline
from .plan import Batch, Job, Plan, arm_called
from .store import keep_picture

__all__ = ["Drawer", "Drawn"]


@dataclass(frozen=True)
class Drawn:
    """What became of a job.

    Args:
        job: its id.
        picture: its file, relative to the run's folder; "" where there is none.
        error: why there is none.
        seconds: that its batch took, shared out.
        batch: how many pictures were drawn at once.
        device, torch, diffusers, uncollapse: what drew it; "" of a picture that others drew.
    """

    job: str
    picture: str = ""
    error: str = ""
    seconds: float = 0.0
    batch: int = 1
    device: str = ""
    torch: str = ""
    diffusers: str = ""
    uncollapse: str = ""


class Drawer:
    """Draws batches of a plan into the folder of a run.

    Args:
        plan: where the batches are from.
        folder: the run's.
        device: "cpu", "cuda", …; None for CUDA where there is one.
    """

    def __init__(self, plan: Plan, folder: Path, device: str | None = None) -> None:
        self.plan, self.folder, self.device = plan, folder, device
        self.concepts = {concept.name: concept for concept in plan.suite.concepts}
        self.methods = {method.key: method for method in plan.methods}
        self._loaded: tuple[tuple[str, str], Any, Concept] | None = None

    def __call__(self, batch: Batch) -> list[Drawn]:
        """Draw them and put the pictures into the folder; a row a job.

        Raises: OutputError, where the folder cannot be written to.
        """
        start = time.perf_counter()
        try:
            if batch.jobs[0].arm == "personalised" and self.methods[batch.jobs[0].method].kind == "images":
                return [self._taken(job) for job in batch.jobs]
            return self._drawn(batch.jobs, start)
        except OutputError:
            raise
        except Exception as error:  # whatever a model, a file or a device can raise
            return [Drawn(job.id, error=f"{type(error).__name__}: {first_line(error)}") for job in batch.jobs]

    def _taken(self, job: Job) -> Drawn:
        """A picture that others drew, as it is."""
        if job.file is None:
            return Drawn(job.id, error="there is no such picture")
        return Drawn(job.id, keep_picture(job.file.read_bytes(), self.folder, job.file.suffix))

    def _drawn(self, jobs: tuple[Job, ...], start: float) -> list[Drawn]:
        import diffusers
        import torch

        first = jobs[0]
        arm = arm_called(first.arm)
        pipe, concept = self._pipeline(first)
        with arm.drawing(pipe, concept) as drawer:
            images = generate(
                drawer,
                [job.text for job in jobs],
                [job.seed for job in jobs],
                self.plan.settings,
                call=arm.call,
            )
        seconds = (time.perf_counter() - start) / len(jobs)
        settings = self.plan.settings.given()
        return [
            Drawn(
                job.id,
                keep_picture(
                    png(image, {**settings, "prompt": job.text, "seed": job.seed, "job": job.depends}),
                    self.folder,
                ),
                seconds=round(seconds, 3),
                batch=len(jobs),
                device=str(pipe.device),
                torch=torch.__version__,
                diffusers=diffusers.__version__,
                uncollapse=__version__,
            )
            for job, image in zip(jobs, images, strict=True)
        ]

    def _pipeline(self, job: Job) -> tuple[Any, Concept]:
        """The pipeline that a job needs: the base model, or with one adapter."""
        key = (job.method, job.concept if job.method else "")
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None
            gc.collect()  # the last one, before there are two in memory
            self._loaded = (key, *self._load(job))
        return self._loaded[1:]

    def _load(self, job: Job) -> tuple[Any, Concept]:
        base, concept = self.plan.base, self.concepts[job.concept]
        if not job.method:
            pipe = quiet_pipeline(base.model, device=self.device, dtype=base.dtype)
            return pipe, Concept(f"<{concept.name}>", concept.class_word)
        method = self.methods[job.method]
        placeholder, anchor = method.words(concept)
        subject = own_subject(
            method.parts(concept, base), placeholder, anchor, device=self.device, dtype=base.dtype
        )
        subject.pipe.set_progress_bar_config(disable=True)
        return subject.pipe, subject.concept
