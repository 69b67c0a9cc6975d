"""The one training loop, on accelerate: step, keep, preview, save; goes on where a killed run stopped.

What a step draws depends on the seed, the step's number and the process alone. So a run that was killed and
resumed takes the steps that an uninterrupted one takes. Several processes (``accelerate launch``) draw
batches of their own, and their gradients are averaged: what moves is small, so no model need be wrapped.
"""

from __future__ import annotations

import importlib
import inspect
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import OutputError, Setting, TrainingError
from ..trajectory import Checkpoint, Trajectory, write_trajectory
from .interrupt import stop_requested
from .learner import Learner
from .settings import Settings
from .state import State, load_state, put_back, save_state

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["fit", "make_accelerator"]

OnStep = Callable[[int, float], object]


def make_accelerator(settings: Settings, device: torch.device, folder: Path) -> Accelerator:
    """accelerate, as the settings want it.

    Raises: TrainingError, for a precision that the device has not, or a missing TensorBoard.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    if settings.tensorboard and not (_installed("tensorboard") or _installed("tensorboardX")):
        raise TrainingError("tensorboard=True: TensorBoard is not installed. pip install tensorboard")
    AcceleratorState._reset_state()  # else a process could train in one precision only
    try:
        accelerator = Accelerator(
            mixed_precision=settings.mixed_precision,
            cpu=device.type == "cpu",
            log_with="tensorboard" if settings.tensorboard else None,
            project_dir=folder / "logs" if settings.tensorboard else None,
        )
    except ValueError as error:
        raise settings.refused("mixed_precision", f"not on {device.type}: {error}") from error
    if settings.tensorboard:
        accelerator.init_trackers("")
    return accelerator


def fit(
    accelerator: Accelerator,
    learner: Learner,
    settings: Settings,
    trajectory: Trajectory,
    *,
    seen: Mapping[str, Sequence[str]],
    resume: bool,
    preview: Callable[[int], object],
    on_step: OnStep,
) -> Trajectory:
    """Take the steps that are left, and keep what the settings say.

    Args:
        trajectory: without checkpoints; its folder is written to.
        seen: what is learned from, as ``load_state`` wants it; a run goes on with nothing else.
        resume: go on from the folder's state, where there is one.
        preview: draws one, after so many steps.
        on_step: called with the number of steps taken and the last one's loss.

    Returns: the trajectory with its checkpoints, of a resumed run all of them.
    Raises: KeyboardInterrupt, after Ctrl-C, with the state saved; TrainingError, when the loss is no number;
        OutputError, when the disk is full. The last state and the checkpoints are then still there.
    """
    run = _Run(accelerator, learner, settings, trajectory, seen)
    if resume:
        run.load()
        accelerator.wait_for_everyone()  # nobody saves before all have loaded
    with _says_how_to_go_on(), stop_requested() as stopping:
        run.list_kept()
        if not run.state.checkpoints and settings.keeps(0):
            run.keep()
        if settings.preview_every and run.step == 0:
            preview(0)
        while run.step < settings.steps:
            started = time.perf_counter()
            loss = run.take_step()
            accelerator.log({"loss": loss, "seconds": time.perf_counter() - started}, step=run.step)
            on_step(run.step, loss)
            if settings.keeps(run.step):
                run.keep()
            if settings.preview_every and run.step % settings.preview_every == 0:
                preview(run.step)
            stop = stopping()
            if stop or run.step % settings.save_every == 0 or settings.keeps(run.step):
                run.save()
            if stop:
                raise KeyboardInterrupt
    return run.trajectory()


@contextmanager
def _says_how_to_go_on() -> Iterator[None]:
    """After a disk that filled up."""
    try:
        yield
    except OutputError as error:
        raise OutputError(
            *error.parts, " What was saved before is whole: go on from it with ", Setting("resume"), "."
        ) from error


class _Run:
    """A learner, its optimiser, and how far they have come."""

    def __init__(
        self,
        accelerator: Accelerator,
        learner: Learner,
        settings: Settings,
        trajectory: Trajectory,
        seen: Mapping[str, Sequence[str]],
    ) -> None:
        self.accelerator, self.learner, self.settings = accelerator, learner, settings
        self.start, self.seen = trajectory, seen
        self.parameters = {n: p for group in learner.groups for n, p in group.parameters.items()}
        self.optimizer = accelerator.prepare(make_optimizer(learner, settings))
        self.state = State()

    @property
    def step(self) -> int:
        return self.state.step

    def take_step(self) -> float:
        """One optimiser step; returns its mean loss over batches and processes."""
        settings, accelerator = self.settings, self.accelerator
        self._choose_what_moves()
        total = torch.zeros((), device=accelerator.device)
        for part in range(settings.gradient_accumulation):
            with accelerator.autocast():
                loss = self.learner.loss(self._generator(part))
            accelerator.backward(loss / settings.gradient_accumulation)
            total += loss.detach() / settings.gradient_accumulation
        mean = float(accelerator.reduce(total, "mean"))
        if not math.isfinite(mean):
            raise TrainingError(
                f"The loss of step {self.step + 1} is {mean}: training has diverged. Use a smaller ",
                Setting("lr"),
                " or ",
                Setting("max_grad_norm"),
                "=1.0; what was kept until here is still there.",
            )
        self._move()
        self.state.losses.append(mean)
        return mean

    def _choose_what_moves(self) -> None:
        for group in self.learner.groups:
            for parameter in group.parameters.values():
                parameter.requires_grad_(group.moves_at(self.step))

    def _generator(self, part: int) -> torch.Generator:
        """Of one batch; no two of a run share a seed, and the runs of other seeds begin far away."""
        number = self.step * self.settings.gradient_accumulation + part
        number = number * self.accelerator.num_processes + self.accelerator.process_index
        # torch's generator takes the lowest 32 bits, over which multiples of 2³²/φ are spread evenly
        return torch.Generator().manual_seed((self.settings.seed * 0x9E3779B9 + number) % 2**32)

    def _move(self) -> None:
        accelerator = self.accelerator
        moving = [p for p in self.parameters.values() if p.grad is not None]
        for parameter in moving:
            parameter.grad = accelerator.reduce(parameter.grad, "mean")
        if self.settings.max_grad_norm is not None:
            accelerator.clip_grad_norm_(moving, self.settings.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.learner.after_step()

    def keep(self) -> None:
        """A checkpoint in the trajectory, its manifest after its file."""
        name = f"steps/step-{self.step:06d}{self.learner.suffix}"
        since = self.state.checkpoints[-1]["step"] if self.state.checkpoints else 0
        losses = self.state.losses[since:]
        norm, cosine = self.learner.drift()
        checkpoint = Checkpoint(self.step, name, sum(losses) / len(losses) if losses else None, norm, cosine)
        self.state.checkpoints.append(asdict(checkpoint))
        if self.accelerator.is_main_process:
            self.learner.save(self.start.folder / name, self.step)
        self.list_kept()

    def list_kept(self) -> None:
        """Write the manifest, which also says what a killed run goes on with."""
        if self.accelerator.is_main_process:
            write_trajectory(self.trajectory())

    def trajectory(self) -> Trajectory:
        checkpoints = tuple(Checkpoint(**each) for each in self.state.checkpoints)
        return Trajectory(**{**vars(self.start), "checkpoints": checkpoints})

    def save(self) -> None:
        self.state.parameters = {name: p.detach().cpu().clone() for name, p in self.parameters.items()}
        self.state.optimizer = self.optimizer.state_dict()
        self.state.scaler = self.accelerator.scaler.state_dict() if self.accelerator.scaler else {}
        if self.accelerator.is_main_process:
            start = self.start
            save_state(start.folder, self.state, self.settings, start.base_model, self.seen)

    def load(self) -> None:
        state = load_state(self.start.folder, self.settings, self.start.base_model, self.seen)
        if state is None:
            return
        put_back(state, self.start.folder, self.parameters, self.optimizer)
        if state.scaler and self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state.scaler)
        self.state = state


def make_optimizer(learner: Learner, settings: Settings) -> torch.optim.Optimizer:
    """The optimiser by its name, without weight decay where it has any.

    Raises: TrainingError, when there is none of that name, or it is none.
    """
    kind = _optimizer_class(settings)
    groups: list[dict[str, Any]] = [
        {"params": list(group.parameters.values()), "lr": group.lr} for group in learner.groups
    ]
    decays = "weight_decay" in inspect.signature(kind).parameters
    return kind(groups, lr=settings.lr, **({"weight_decay": 0.0} if decays else {}))


def _optimizer_class(settings: Settings) -> Callable[..., torch.optim.Optimizer]:
    module, _, name = settings.optimizer.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module or "torch.optim"), name)
    except (ImportError, AttributeError) as error:
        raise settings.refused(
            "optimizer", f"there is none of that name ({error}); install its package, or use AdamW"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)):
        raise settings.refused("optimizer", "it is no optimiser; use AdamW, or another of torch.optim")
    return kind


def _installed(package: str) -> bool:
    return find_spec(package) is not None
