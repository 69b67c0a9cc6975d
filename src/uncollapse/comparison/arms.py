"""The ways to draw the same prompts, each an ``Arm``: the base model, the personalised one, and others.

An arm knows everything about how it draws: the words of the prompt, which model, with which adjuster and
schedule, and further arguments of the call; and what people read of it. Whoever draws asks the arm, and
knows no kinds of arms. One that draws in a way of its own is a subclass with another ``drawing``.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..adjusters import ADJUSTERS, Adjuster, ByRole
from ..adjustment import Adjustment
from ..components import without_adapters
from ..concept import Concept
from ..errors import AdjustmentError
from ..pipelines import apply

__all__ = ["BASE", "PERSONALISED", "Arm", "parse_arm", "tea_arms", "told_apart"]

NEUTRAL, BEFORE, AFTER = "#55708f", "#cf3f3f", "#1a8f57"


@dataclass(frozen=True)
class Arm:
    """One way to draw the prompts.

    Args:
        name: a short key, unique in a comparison.
        adjuster: applied to the concept while drawing; ``None`` leaves the prompt as it is.
        personalised: ``False`` draws with the adapters off and the anchor in the placeholder's stead.
        negative_encoder: takes the place of the concept's.
        schedule: what the adjuster's strength is multiplied by, from progress 0 (first step) to 1 (last).
        call: further arguments of the pipeline's call, which take the place of the comparison's settings.
    """

    name: str
    adjuster: Adjuster | None = None
    personalised: bool = True
    negative_encoder: str | None = None
    schedule: Callable[[float], float] | None = None
    call: Mapping[str, Any] = field(default_factory=dict, hash=False)

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
        elif self.adjuster is None:
            yield pipe
        else:
            negative_encoder = self.negative_encoder or concept.negative_encoder
            how = replace(concept, adjuster=self.adjuster, negative_encoder=negative_encoder)
            with apply(pipe, how, base=base, schedule=self.schedule):
                yield pipe

    @property
    def altered(self) -> bool:
        """Whether it draws otherwise than the personalised model does by itself."""
        return self.personalised and (self.adjuster is not None or bool(self.call))

    @property
    def way(self) -> str:
        """What it does to the model, without settings: "TEA"."""
        return (self.adjuster.title or type(self.adjuster).__name__) if self.adjuster else self.name

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
        """What it is, but for a schedule, which is code; its call's arguments where it has any."""
        return {
            "name": self.name,
            "adjustment": self.adjuster.settings() if self.adjuster else None,
            "personalised": self.personalised,
            **({"call": dict(self.call)} if self.call else {}),
        }


BASE = Arm("base", personalised=False)
PERSONALISED = Arm("personalised")


def tea_arms(
    alphas: Sequence[float | ByRole], beta: float | None = 1.5, norm_blend: float | None = None
) -> list[Arm]:
    """An arm for each α, named as people will read it."""
    adjusters = [Adjustment(alpha=alpha, beta=beta, norm_blend=norm_blend) for alpha in alphas]
    return [Arm(adjuster.label, adjuster) for adjuster in adjusters]


def parse_arm(text: str) -> Arm:
    """The arm that a command names: an adjuster, and its settings where they are not the usual.

    Args:
        text: ``NAME`` or ``NAME:setting=value,…``; ``none`` is a value too, and ``0/1/1`` one by role. The
            names are those of ``ADJUSTERS``, the settings the fields of each.

    Raises: AdjustmentError, for a name, a setting or a value that there is not.

    >>> parse_arm("tea:alpha=0.6,beta=none").adjuster
    Adjustment(alpha=0.6, beta=None, norm_blend=None)
    >>> parse_arm("tea:alpha=0/1/1").name
    'TEA α 0/1/1'
    """
    name, _, settings = (part.strip() for part in text.partition(":"))
    kind = ADJUSTERS.get(name)
    if kind is None:
        raise AdjustmentError(f"'{text}' is no way to draw: '{name}' is none of {', '.join(ADJUSTERS)}.")
    parts = [part.partition("=") for part in settings.split(",") if part.strip()]
    given = {key.strip().replace("-", "_"): value.strip() for key, _, value in parts}
    hints = typing.get_type_hints(kind)
    known = [each.name for each in fields(kind) if each.init]
    for key in given:
        if key not in known:
            has = f"only {', '.join(known)}" if known else "no settings"
            raise AdjustmentError(f"'{text}' sets '{key}', but {name} has {has}.")
    try:
        adjuster = kind(**{key: _value(text, key, value, hints[key]) for key, value in given.items()})
    except TypeError as error:  # one that has no usual value
        raise AdjustmentError(f"'{text}' says too little: {error}.") from error
    return Arm(adjuster.label, adjuster)


def _value(text: str, key: str, value: str, hint: Any) -> Any:
    """``value`` as a setting of this type."""
    kinds = typing.get_args(hint) or (hint,)
    readings: dict[Any, Callable[[str], Any]] = {
        type(None): lambda value: {"none": None}[value.lower()],
        bool: lambda value: {"true": True, "false": False}[value.lower()],
        int: int,
        float: float,
        ByRole: ByRole.parsed,
        str: str,
    }
    for kind, reading in readings.items():
        if kind in kinds:
            try:
                return reading(value)
            except (KeyError, ValueError):
                continue
    words = {type(None): "none", ByRole: "CONCEPT/CONTEXT/REST", float: "number"}
    wanted = " or ".join(words.get(kind, kind.__name__) for kind in kinds)
    raise AdjustmentError(f"'{text}' sets {key} to '{value}', which is no {wanted}.")


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
    other = namesake.adjuster.settings() if namesake.adjuster else {}
    own = arm.adjuster.settings() if arm.adjuster else {}
    differ = {key: value for key, value in own.items() if other.get(key, ...) != value}
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in differ.items()
    )
