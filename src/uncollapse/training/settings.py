"""What every method can be told and asked, whatever it learns; its own settings are beside its loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..anchors import check_anchor
from ..components import Pipeline
from ..errors import Setting, TrainingError
from ..placeholders import mentions
from .learner import Learner, Task

__all__ = ["MAY_CHANGE", "PRECISIONS", "Level", "Settings"]

Level = Literal["token", "prompt"]
PRECISIONS = ("no", "fp16", "bf16")
MAY_CHANGE = {  # when a run goes on: what has no part in what a step does
    "steps",
    "checkpoint_steps",
    "validation_prompt",
    "preview_every",
    "save_every",
    "gradient_checkpointing",
    "tensorboard",
    "kohya",
}
AT_LEAST_ONE = ("steps", "batch_size", "gradient_accumulation", "save_every", "preview_every", "resolution")


@dataclass(frozen=True, kw_only=True)
class Settings(ABC):
    """Settings that all methods share, and what each method says of itself.

    A subclass is a method: it adds its settings as fields and says

        name       what the command and manifests call it
        level      at which its concepts are adjusted: "token", where it learns rows of the token table and
                   nothing else; else "prompt"
        summary    what it does, in the command's one line
        example    a placeholder as it wants them, {} for the class word
        captioned  whether each photo has a prompt of its own (``captions``)
        given_as   how ``uncollapse generate`` is given the result: "lora", "embedding", "custom_diffusion"
        needs      settings that do nothing without another, and that one

    beside how it learns (``learner``) and how a checkpoint is used (``loaded``).

    Args:
        placeholder: what prompts will call the concept.
        class_word: what it is, in a word or a few: "cat".
        steps: optimiser steps.
        batch_size: photos a step (and device, and accumulation).
        lr: learning rate, constant.
        seed: the seed of everything that is drawn; a step's draws depend on it and on its number alone.
        resolution: pixels of a side; None for the model's own.
        checkpoint_steps: at which steps the trajectory keeps what was learned; the last is always kept.
        validation_prompt: what previews show: the placeholder, with context, which collapse takes away.
        preview_every: steps between previews; None for none.
        save_every: steps between the states that a killed run goes on from.
        gradient_accumulation: batches whose gradients one step sums up.
        gradient_checkpointing: less memory for more time, in the denoiser.
        mixed_precision: "no", "fp16" or "bf16"; what is learned stays in float32.
        max_grad_norm: the length to which longer gradients are shortened; None for any length.
        min_snr: the ceiling γ of the weight that a noise level's SNR gives it (arXiv 2303.09556); None for
            equal weights.
        optimizer: a class of ``torch.optim``, or another by its full name: "bitsandbytes.optim.AdamW8bit".
        tensorboard: log loss and speed for TensorBoard.

    Raises: TrainingError, AnchorError, for settings that contradict each other or mean nothing.
    """

    name: ClassVar[str]
    level: ClassVar[Level]
    summary: ClassVar[str]
    example: ClassVar[str] = "<my-{}>"
    captioned: ClassVar[bool] = False
    given_as: ClassVar[str] = "lora"
    needs: ClassVar[Mapping[str, str]] = {
        "preview_every": "validation_prompt",
        "validation_prompt": "preview_every",
    }

    placeholder: str
    class_word: str
    steps: int = 1000
    batch_size: int = 4
    lr: float = 1e-3
    seed: int = 0
    resolution: int | None = None
    checkpoint_steps: Sequence[int] = ()
    validation_prompt: str | None = None
    preview_every: int | None = None
    save_every: int = 100
    gradient_accumulation: int = 1
    gradient_checkpointing: bool = False
    mixed_precision: str = "no"
    max_grad_norm: float | None = None
    min_snr: float | None = None
    optimizer: str = "AdamW"
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for name in AT_LEAST_ONE:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise self.refused(name, "it must be at least 1")
        for name in ("lr", "max_grad_norm", "min_snr"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise self.refused(name, "it must be greater than 0")
        if self.mixed_precision not in PRECISIONS:
            raise self.refused("mixed_precision", f"it must be one of {', '.join(PRECISIONS)}")
        if not self.placeholder.strip():
            raise self.refused("placeholder", 'it must name the concept, such as "<my-cat>"')
        check_anchor(self.class_word, self.placeholder)
        outside = [step for step in self.checkpoint_steps if not 0 <= step <= self.steps]
        if outside:
            raise self.refused("checkpoint_steps", f"step {outside[0]} is not between 0 and {self.steps}")
        if self.validation_prompt and not mentions(self.validation_prompt, self.concept):
            raise self.refused("validation_prompt", f"it must mention {self.concept!r}")
        usual = {each.name: each.default for each in fields(self)}
        for name, needed in self.needs.items():
            if getattr(self, name) != usual[name] and not getattr(self, needed):
                raise self.refused(name, "without ", Setting(needed), " it changes nothing")

    @property
    def concept(self) -> str:
        """The concept as prompts write it."""
        return self.placeholder

    @abstractmethod
    def learner(self, task: Task) -> AbstractContextManager[Learner]:
        """What the loop trains, while the pipeline has what is learned; without it afterwards.

        Raises: PipelineError, PlaceholderError, TrainingError, for what cannot be trained.
        """

    @classmethod
    @abstractmethod
    def loaded(
        cls, pipe: Pipeline, path: Path, placeholder: str, load_base: Callable[[], Pipeline]
    ) -> AbstractContextManager[Pipeline]:
        """A pipeline with a checkpoint in it, for the length of the block.

        Args:
            pipe: of the base model; before, it may have held other checkpoints of the same training.
            path: the checkpoint's file or folder.
            placeholder: what prompts call the concept.
            load_base: makes a new pipeline of the base model, for methods that change its own weights.

        Raises: UncollapseError, naming a file that is unreadable or of something else.
        """

    def keeps(self, step: int) -> bool:
        """Whether the trajectory keeps this step."""
        return step == self.steps or step in self.checkpoint_steps

    def recorded(self) -> dict[str, Any]:
        """All of them, as the trajectory's manifest holds them."""
        return {**asdict(self), "checkpoint_steps": list(self.checkpoint_steps)}

    def refused(self, name: str, *why: str) -> TrainingError:
        """The error for a setting that cannot be as it is, for a reason in one piece or several."""
        value = getattr(self, name)
        return TrainingError(f"{type(self).__name__}(): ", Setting(name), f"={value!r}: ", *why, ".")
