"""What Textual Inversion and ReVersion share: rows of the token table that move, and what holds them back.

    v* = argmin_v  E[ ‖ε − ε_θ(x_t, t, encode(prompt(v)))‖² ]

Nothing in this holds v back, which is how it collapses. Three cures are options: gradients cut to a length
(``max_grad_norm``), a pull back to the initialiser (``pull``), and a norm that is fixed to the vocabulary's
while the direction moves on the sphere under a von Mises-Fisher prior (``norm_preserving``, ``kappa``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from ..components import Pipeline
from ..errors import PipelineError, Setting
from ..geometry import unit
from ..learned_embeds import LearnedEmbedding, write
from .families import Diffusion, Family
from .latents import Latents
from .learner import Group, Learner, Task
from .row_loading import rows_loaded
from .settings import Level, Settings
from .token_rows import TokenRows, learning_rows

__all__ = ["PromptsFor", "RowSettings", "Term", "diffusion_of", "row_learner"]

PromptsFor = Callable[[Tensor, torch.Generator], list[str]]  # of the photos drawn, by their numbers
Term = Callable[[Mapping[str, TokenRows]], Tensor]  # of the loss


@dataclass(frozen=True, kw_only=True)
class RowSettings(Settings):
    """What the methods share that learn rows of the token table.

    Args:
        initialiser: the words that the rows start from; None for the class word.
        vectors: rows that the token stands for, 1 to 8.
        pull: weight decay toward the initialiser: each step moves the rows by this share of the rate to it.
        norm_preserving: keep the rows at the mean norm of the vocabulary and learn their direction alone
            (DTI, arXiv 2512.13672; there with Riemannian SGD, here with ``optimizer`` on the gradient's part
            along the sphere).
        kappa: with ``norm_preserving``, how concentrated the prior is around the initialiser's direction:
            −κ·cos is added to the loss.
    """

    level: ClassVar[Level] = "token"
    given_as: ClassVar[str] = "embedding"
    needs: ClassVar[Mapping[str, str]] = {**Settings.needs, "kappa": "norm_preserving"}

    lr: float = 5e-3
    initialiser: str | None = None
    vectors: int = 1
    pull: float = 0.0
    norm_preserving: bool = False
    kappa: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.vectors <= 8:
            raise self.refused("vectors", "a token has 1 to 8")
        if self.pull < 0:
            raise self.refused("pull", "it cannot be negative")
        if self.kappa < 0:
            raise self.refused("kappa", "it cannot be negative")
        if self.norm_preserving and self.pull:
            raise self.refused(
                "pull",
                "with ",
                Setting("norm_preserving"),
                " it is ",
                Setting("kappa"),
                " that holds the rows",
            )

    @classmethod
    def loaded(
        cls, pipe: Pipeline, path: Path, placeholder: str, load_base: Callable[[], Pipeline]
    ) -> AbstractContextManager[Pipeline]:
        """The pipeline itself, with the checkpoint's rows."""
        return rows_loaded(pipe, path, placeholder)


def diffusion_of(family: Family) -> Diffusion:
    """The family, where rows are learned for it.

    Raises: PipelineError, for Flux.
    """
    if isinstance(family, Diffusion):
        return family
    raise PipelineError(
        "train(): rows of the token table are learned for Stable Diffusion and SDXL, not for "
        f"{type(family.pipe).__name__}. Train it with DreamBoothLoRA."
    )


@contextmanager
def row_learner(
    task: Task,
    settings: RowSettings,
    prompts: PromptsFor,
    *,
    focus: float = 0.0,
    term: Term | None = None,
) -> Iterator[Learner]:
    """The learner, while the pipeline knows the placeholder.

    Args:
        prompts: what the photos of a batch are paired with.
        focus: on high noise levels: 0 for none, nearer 1 the more of them.
        term: is added to the loss.
    """
    family = diffusion_of(task.family)
    words = settings.initialiser or settings.class_word
    with learning_rows(
        family.pipe, settings.placeholder, settings.class_word, words, settings.vectors
    ) as learned:
        metadata = {**task.metadata, "initialiser": words}
        rows = _Rows(family, task.photos, settings, learned, metadata, prompts, focus, term)
        rows.stay_on_sphere()
        yield Learner(
            groups=[Group({name: each.rows for name, each in learned.items()}, settings.lr)],
            loss=rows.loss,
            save=rows.save,
            result="learned_embeds.safetensors",
            after_step=rows.after_step,
            drift=rows.drift,
        )


@dataclass(frozen=True)
class _Rows:
    family: Diffusion
    photos: Latents
    settings: RowSettings
    learned: Mapping[str, TokenRows]
    metadata: Mapping[str, str]
    prompts: PromptsFor
    focus: float
    term: Term | None

    def loss(self, generator: torch.Generator) -> Tensor:
        settings = self.settings
        which, latents = self.photos.draw(settings.batch_size, generator)
        conditions = self.family.encode(self.prompts(which, generator))
        loss = self.family.losses(latents, conditions, generator, settings.min_snr, self.focus).mean()
        if settings.norm_preserving:
            loss = loss - settings.kappa * self._cosine_to_start()
        if self.term is not None:
            loss = loss + self.term(self.learned)
        return loss

    def _cosine_to_start(self) -> Tensor:
        each = [(unit(one.rows) * unit(one.start)).sum(-1).mean() for one in self.learned.values()]
        return torch.stack(each).mean()

    def after_step(self) -> None:
        self._pull_back()
        self.hold_norm()

    @torch.no_grad()
    def _pull_back(self) -> None:
        for one in self.learned.values() if self.settings.pull else ():
            one.rows.lerp_(one.start, min(1.0, self.settings.lr * self.settings.pull))

    def stay_on_sphere(self) -> None:
        """Put the rows there, and take from every gradient to come what points off it."""
        for one in self.learned.values() if self.settings.norm_preserving else ():
            one.rows.register_hook(  # type: ignore[no-untyped-call, unused-ignore]
                lambda gradient, rows=one.rows: _along_sphere(gradient, rows.detach())
            )
        self.hold_norm()

    @torch.no_grad()
    def hold_norm(self) -> None:
        """Back onto the sphere after a step along it."""
        for one in self.learned.values() if self.settings.norm_preserving else ():
            one.rows.copy_(one.typical_norm * unit(one.rows))

    def drift(self) -> tuple[float, float]:
        """The mean over the encoders."""
        norms, cosines = zip(*(one.drift() for one in self.learned.values()), strict=True)
        return sum(norms) / len(norms), sum(cosines) / len(cosines)

    def save(self, path: Path, step: int) -> None:
        vectors = {name: one.rows.detach() for name, one in self.learned.items()}
        metadata = {**self.metadata, "steps": str(step)}
        write(path, LearnedEmbedding(self.settings.placeholder, vectors, metadata))


def _along_sphere(gradient: Tensor, rows: Tensor) -> Tensor:
    """g − (g·u)u, with u the rows' directions."""
    directions = unit(rows)
    return gradient - (gradient * directions).sum(-1, keepdim=True) * directions
