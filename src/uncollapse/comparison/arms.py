"""The ways to draw the same prompts, each an ``Arm``: the base model, the personalised one, and others.

An arm knows everything about how it draws: the words of the prompt, which model, with which adjuster and
schedule, and further arguments of the call; and what people read of it. Whoever draws asks the arm, and
knows no kinds of arms. One that draws in a way of its own is a subclass with another ``drawing``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from ..adjusters import Adjuster, ByRole
from ..adjustment import Adjustment
from ..components import adapters_scaled, modules, text_encoders, without_adapters
from ..concept import Concept
from ..errors import UncollapseWarning
from ..pipelines import apply

__all__ = ["BASE", "PERSONALISED", "Arm", "tea_arms", "told_apart"]

NEUTRAL, BEFORE, AFTER = "#55708f", "#cf3f3f", "#1a8f57"


@dataclass(frozen=True)
class Arm:
    """One way to draw the prompts.

    Args:
        name: a short key, unique in a comparison.
        adjuster: applied to the concept while drawing; ``None`` leaves the prompt as it is.
        personalised: ``False`` draws with the adapters off and the anchor in the placeholder's stead.
        negative_encoder, encoders: take the place of the concept's.
        schedule: what the adjuster's strength is multiplied by, from progress 0 (first step) to 1 (last).
        call: further arguments of the pipeline's call, which take the place of the comparison's settings.
        text_lora: what the adapters of the text encoders are multiplied by: 0 is without, 1 as they are.
        denoiser_lora: likewise those of every other part.
        typed: as what a command asked for it; empty where none did.
    """

    name: str
    adjuster: Adjuster | None = None
    personalised: bool = True
    negative_encoder: str | None = None
    encoders: str | None = None
    schedule: Callable[[float], float] | None = None
    call: Mapping[str, Any] = field(default_factory=dict, hash=False)
    text_lora: float = 1.0
    denoiser_lora: float = 1.0
    typed: str = field(default="", compare=False)

    def asked(self, concept: Concept, template: str) -> str:
        """The prompt as this arm gives it to the pipeline."""
        return template.replace("{}", concept.placeholder if self.personalised else concept.anchor)

    @contextmanager
    def drawing(self, pipe: Any, concept: Concept, base: Any = None) -> Iterator[Any]:
        """The context in which this arm is drawn.

        Args:
            pipe: with the concept in it; left as it was found.
            concept: what the prompts are about.
            base: a pipeline that was never fine-tuned; None for ``pipe`` with its adapters off.

        Yields: the pipeline to call, ``pipe`` or ``base``.
        Raises: what ``apply`` raises.
        """
        if not self.personalised:
            drawer = pipe if base is None else base
            with without_adapters(drawer):
                yield drawer
        else:
            with self._adapters(pipe), self._adjusted(pipe, concept, base):
                yield pipe

    @contextmanager
    def _adapters(self, pipe: Any) -> Iterator[None]:
        encoders = text_encoders(pipe)
        others = {name: part for name, part in modules(pipe).items() if name not in encoders}
        with ExitStack() as stack:
            for where, parts, factor in (
                ("text encoders", encoders, self.text_lora),
                ("denoiser", others, self.denoiser_lora),
            ):
                if factor == 1:
                    continue
                if not stack.enter_context(adapters_scaled(f"'{self.name}'", parts.values(), factor)):
                    warnings.warn(
                        f"'{self.name}' changes nothing in the {where}: no adapter is on there.",
                        UncollapseWarning,
                        stacklevel=4,
                    )
            yield

    def _adjusted(self, pipe: Any, concept: Concept, base: Any) -> AbstractContextManager[object]:
        how = self.adjusted(concept)
        return nullcontext() if how is None else apply(pipe, how, base=base, schedule=self.schedule)

    def adjusted(self, concept: Concept) -> Concept | None:
        """The concept with this arm's settings; None where the arm adjusts nothing."""
        return replace(concept, adjuster=self.adjuster, **self._of_concept) if self.adjuster else None

    @property
    def _of_concept(self) -> dict[str, str]:
        given = {"negative_encoder": self.negative_encoder, "encoders": self.encoders}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def altered(self) -> bool:
        """Whether it draws otherwise than the personalised model does by itself."""
        return self.personalised and (self.adjuster is not None or bool(self.call) or bool(self._loras))

    @property
    def _loras(self) -> dict[str, float]:
        given = {"text_lora": self.text_lora, "denoiser_lora": self.denoiser_lora}
        return {name: factor for name, factor in given.items() if factor != 1}

    @property
    def way(self) -> str:
        """What it does to the model, without settings where it has a title: "TEA"."""
        if self.adjuster is None or self.schedule is not None:
            return self.name
        return self.adjuster.title or type(self.adjuster).__name__

    @property
    def colour(self) -> str:
        """Of its name and figures."""
        return NEUTRAL if not self.personalised else AFTER if self.altered else BEFORE

    def title(self, concept: Concept) -> str:
        """It in plain words, for a table."""
        if not self.personalised:
            return f"Base model, “{concept.anchor}”"
        return f"With {self.name}" if self.altered else f"Personalised, “{concept.placeholder}”"

    def head(self, concept: Concept) -> tuple[str, str]:
        """It in two lines, for the head of a column of pictures."""
        if not self.personalised:
            return "Base model", f"asked for “{concept.anchor}”"
        if not self.altered:
            return "Personalised", f"asked for “{concept.placeholder}”"
        return f"With {self.name}", "same model, same words"

    def as_json(self) -> dict[str, Any]:
        """What it is, but for a schedule, which is code; what is as usual is left out."""
        return {
            "name": self.name,
            "adjustment": self.adjuster.settings() if self.adjuster else None,
            "personalised": self.personalised,
            **({"call": dict(self.call)} if self.call else {}),
            **self._of_concept,
            **self._loras,
        }


BASE = Arm("base", personalised=False)
PERSONALISED = Arm("personalised")


def tea_arms(
    alphas: Sequence[float | ByRole], beta: float | None = 1.5, norm_blend: float | None = None
) -> list[Arm]:
    """An arm for each α, named as people will read it."""
    adjusters = [Adjustment(alpha=alpha, beta=beta, norm_blend=norm_blend) for alpha in alphas]
    return [Arm(adjuster.label, adjuster) for adjuster in adjusters]


def told_apart(arms: Sequence[Arm]) -> list[Arm]:
    """The arms under names of their own: of two alike one is left, and a namesake says what it differs in."""
    found: dict[str, Arm] = {}
    for arm in arms:
        name = arm.name
        if name in found and found[name] != arm:
            name = f"{name}, {_differences(arm, found[name])}"
        found.setdefault(name, replace(arm, name=name))
    return list(found.values())


def _differences(arm: Arm, namesake: Arm) -> str:
    own, other = (
        {**(each.adjuster.settings() if each.adjuster else {}), **each._of_concept}
        for each in (arm, namesake)
    )
    differ = {key: value for key, value in own.items() if other.get(key, ...) != value}
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in differ.items()
    )
