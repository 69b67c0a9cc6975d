"""`fit`: the one training loop of the miniature, seeded, resumable and logged.

What a step sees depends on the seed and the step number alone, so that a run that was interrupted and
resumed goes the way an uninterrupted one would have gone.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from uncollapse.output import writing

from .device import best_device, has_fast_bfloat16


@dataclass(frozen=True)
class Round:
    """How long and how fast to train; the rate warms up linearly and falls along a cosine to a fiftieth.

    On a CPU a batch is worked on in ``parts`` at once, as many on any machine, so that results repeat; a GPU
    takes it whole. In bfloat16 where that is allowed and fast.
    """

    steps: int
    batch: int
    lr: float
    warmup: int = 100
    weight_decay: float = 0.01
    ema: float | None = None
    parts: int = 2
    bfloat16: bool = True

    def factor(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def _average(ema: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    decay = min(decay, (1 + step) / (10 + step))
    now = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
    torch._foreach_lerp_([ema[name] for name in now], list(now.values()), 1 - decay)


@contextmanager
def _workers(parts: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of one worker a part; the workers share the threads that torch may use."""
    threads = torch.get_num_threads()
    each = max(1, threads // parts)
    torch.set_num_threads(each)
    with ThreadPoolExecutor(parts, initializer=torch.set_num_threads, initargs=(each,)) as pool:
        yield pool
    torch.set_num_threads(threads)


def _fill_gradients(
    parameters: list[nn.Parameter],
    loss: Callable[[torch.Generator, int], Tensor],
    plan: Round,
    step: int,
    pool: ThreadPoolExecutor,
    parts: int,
) -> Tensor:
    """Set each parameter's gradient to the mean over the parts of the batch; returns the mean loss.

    Models as small as these gain nothing from several threads inside an operation, and nearly all of it from
    working on the parts of a batch at once.
    """

    device = parameters[0].device

    def part(index: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        generator = torch.Generator(device).manual_seed(1_000_003 * step + 17 + index)
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.bfloat16 and has_fast_bfloat16(device)):
            value = loss(generator, plan.batch // parts)
        return value.detach(), torch.autograd.grad(value, parameters)

    values, gradients = zip(*pool.map(part, range(parts)), strict=True)
    for parameter, *grads in zip(parameters, *gradients, strict=True):
        parameter.grad = sum(grads[1:], grads[0]) / parts if parts > 1 else grads[0]
    return torch.stack(values).sum() / parts


def fit(
    name: str,
    model: nn.Module,
    loss: Callable[[torch.Generator, int], Tensor],
    rounds: Sequence[Round],
    folder: Path,
    *,
    checkpoint_every: int = 200,
) -> nn.Module:
    """Train ``model`` on the best device, round after round.

    Args:
        loss: ``loss(generator, batch)`` draws a batch and returns its mean loss; the generator lives on the
            model's device.
        rounds: each with a rate that warms up and falls of its own. With ``ema`` a round ends with the
            averaged weights.
        folder: keeps ``NAME-1.ckpt`` (to resume the first round from), ``NAME-1.jsonl`` (its settings, then
            loss and seconds) and so on.
    """
    for number, plan in enumerate(rounds, 1):
        _fit_round(f"{name}-{number}", model, loss, plan, folder, checkpoint_every)
    return model.cpu().eval()


def _fit_round(
    name: str,
    model: nn.Module,
    loss: Callable[[torch.Generator, int], Tensor],
    plan: Round,
    folder: Path,
    checkpoint_every: int,
) -> None:
    checkpoint, log = folder / f"{name}.ckpt", folder / f"{name}.jsonl"
    device = best_device()
    model.to(device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    parts = plan.parts if device.type == "cpu" else 1
    optimizer = torch.optim.AdamW(parameters, lr=plan.lr, weight_decay=plan.weight_decay, fused=True)
    ema = {k: v.detach().clone() for k, v in model.state_dict().items()} if plan.ema else {}
    first, seconds = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        ema, first, seconds = state["ema"], state["step"], state["seconds"]
    model.train()
    started = time.monotonic() - seconds
    recent: list[Tensor] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress, log.open("a") as lines, _workers(parts) as pool:
        if first == 0:
            lines.write(json.dumps({"device": device.type, **asdict(plan)}) + "\n")
        bar = progress.add_task(name, total=plan.steps, completed=first)
        for step in range(first, plan.steps):
            for group in optimizer.param_groups:
                group["lr"] = plan.lr * plan.factor(step)
            recent.append(_fill_gradients(parameters, loss, plan, step, pool, parts))
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            if plan.ema:
                _average(ema, model, plan.ema, step)
            progress.update(bar, advance=1)
            if (step + 1) % 50 == 0 or step + 1 == plan.steps:
                seconds, mean = time.monotonic() - started, torch.stack(recent).mean().item()
                recent.clear()
                progress.update(bar, description=f"{name} loss {mean:.4f}")
                record = {"step": step + 1, "loss": mean, "seconds": round(seconds)}
                lines.write(json.dumps(record) + "\n")
                lines.flush()
            if (step + 1) % checkpoint_every == 0 or step + 1 == plan.steps:
                state = {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "ema": ema,
                    "step": step + 1,
                    "seconds": time.monotonic() - started,
                }
                with writing(checkpoint) as part:
                    torch.save(state, part)
    if plan.ema:
        model.load_state_dict(ema)
