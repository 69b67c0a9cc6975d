"""The same prompts and seeds, several ways: base model, personalised, personalised and adjusted.

A way is an ``Arm``, which is data. Each image becomes a ``Record`` with whatever the measures say of it;
table, contact sheet, report and JSON are all made of these records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol

from torch.nn import Module

from ..adjusters import Adjuster
from ..adjustment import Adjustment
from ..concept import Concept
from ..metrics import Score, Share, Spread, share, spread_over_seeds
from ..metrics.scores import present
from ..models.generation import GenerationSettings, generate
from ..pipelines import apply
from ..pipelines.anchor_encoder import adapters_off
from ..placeholders import substitute

if TYPE_CHECKING:
    from PIL.Image import Image

Value = float | bool


@dataclass(frozen=True)
class Arm:
    """One way to draw the prompts.

    Args:
        name: a short key, unique in a comparison.
        adjuster: applied to the concept while drawing; ``None`` leaves the prompt as it is.
        personalised: ``False`` draws with the adapters off and the anchor in the placeholder's stead.
        negative_encoder: takes the place of the concept's.
    """

    name: str
    adjuster: Adjuster | None = None
    personalised: bool = True
    negative_encoder: str | None = None

    def asked(self, concept: Concept, template: str) -> str:
        """The prompt as this arm gives it to the pipeline."""
        return template.replace("{}", concept.placeholder if self.personalised else concept.anchor)

    def drawing(self, pipe: Any, concept: Concept, base: Any = None) -> AbstractContextManager[Any]:
        """The context in which the pipeline draws this arm; ``base`` as for ``apply``."""
        if not self.personalised:
            return adapters_off(part for part in pipe.components.values() if isinstance(part, Module))
        if self.adjuster is None:
            return nullcontext()
        negative_encoder = self.negative_encoder or concept.negative_encoder
        how = replace(concept, adjuster=self.adjuster, negative_encoder=negative_encoder)
        return apply(pipe, how, base=base)


BASE = Arm("base", personalised=False)
PERSONALISED = Arm("personalised")


def tea_arms(alphas: Sequence[float], beta: float | None = 1.5, norm_blend: float | None = None) -> list[Arm]:
    """An arm for each α, named as people will read it."""
    return [
        Arm(f"TEA α {alpha:g}", Adjustment(alpha=alpha, beta=beta, norm_blend=norm_blend)) for alpha in alphas
    ]


class ContextPrompt(Protocol):
    """A prompt with a gap for the subject, and what it asks for around it.

    ``template`` "a photo of {} in the snow", ``context`` "in the snow".
    """

    @property
    def template(self) -> str: ...
    @property
    def context(self) -> str: ...


@dataclass(frozen=True)
class UserPrompt:
    """A prompt as somebody typed it; the context is all of it but the placeholder."""

    template: str

    @classmethod
    def around(cls, placeholder: str, prompt: str) -> UserPrompt:
        return cls(substitute(prompt, [(placeholder, "{}")]).new_text)

    @property
    def context(self) -> str:
        return " ".join(self.template.replace("{}", " ").split())


Measure = Callable[[Sequence["Image"], Sequence[ContextPrompt]], list[dict[str, Value]]]


@dataclass(frozen=True)
class Record:
    """One image, how it was asked for, and what the measures say of it."""

    arm: str
    prompt: str
    context: str
    seed: int
    image: Image
    scores: dict[str, Value]


@dataclass(frozen=True)
class Comparison:
    """All records of one run, arm by arm, with what they were made from."""

    concept: Concept
    arms: tuple[Arm, ...]
    prompts: tuple[ContextPrompt, ...]
    seeds: tuple[int, ...]
    settings: GenerationSettings
    records: tuple[Record, ...]

    def of(self, arm: str) -> list[Record]:
        """The records of one arm: prompts in order, the seeds of each together."""
        return [record for record in self.records if record.arm == arm]

    @property
    def scores(self) -> list[Score]:
        """Those that any record has, in the order of the tables."""
        return present({name for record in self.records for name in record.scores})

    def summary(self, arm: str) -> dict[str, Share | Spread]:
        """Yes/no scores as a share with its interval, others as a mean with its spread over seeds."""
        records = self.of(arm)
        seeds = [record.seed for record in records]
        columns = {name: [record.scores[name] for record in records] for name in records[0].scores}
        return {
            name: share(map(bool, values))
            if all(isinstance(v, bool) for v in values)
            else spread_over_seeds(seeds, values)
            for name, values in columns.items()
        }


def compare(
    pipe: Any,
    concept: Concept,
    prompts: Sequence[ContextPrompt],
    seeds: Sequence[int],
    arms: Sequence[Arm],
    settings: GenerationSettings | None = None,
    measures: Sequence[Measure] = (),
    on_images: Callable[[int], object] = lambda count: None,
    *,
    base: Any = None,
) -> Comparison:
    """Draw every prompt with every seed in every arm, and measure the images.

    Args:
        pipe: a personalised pipeline; left as it was found.
        concept: its placeholder and anchor; the strength comes from each arm.
        measures: each maps images and their prompts to one dictionary of scores an image.
        on_images: called with the number of images just finished.
        base: a pipeline that was never fine-tuned: it draws the arms that are not personalised, and encodes
            the anchor of the others. None for ``pipe`` with its adapters off.
    """
    settings = settings or GenerationSettings()
    pairs = list(product(prompts, seeds))
    records: list[Record] = []
    for arm in arms:
        asked = [arm.asked(concept, prompt.template) for prompt, _ in pairs]
        drawer = pipe if arm.personalised or base is None else base
        with arm.drawing(drawer, concept, base):
            images = generate(drawer, asked, [seed for _, seed in pairs], settings, on_images)
        scores = _measured(measures, images, [prompt for prompt, _ in pairs])
        records += [
            Record(arm.name, text, prompt.context, seed, image, score)
            for text, (prompt, seed), image, score in zip(asked, pairs, images, scores, strict=True)
        ]
    return Comparison(concept, tuple(arms), tuple(prompts), tuple(seeds), settings, tuple(records))


def _measured(
    measures: Sequence[Measure], images: Sequence[Image], prompts: Sequence[ContextPrompt]
) -> list[dict[str, Value]]:
    scores: list[dict[str, Value]] = [{} for _ in images]
    for measure in measures:
        for score, more in zip(scores, measure(images, prompts), strict=True):
            score.update(more)
    return scores
