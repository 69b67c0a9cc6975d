"""Ways to draw that are asked for by name: every adjuster, and what people would do without one.

A way is a function of settings, registered under a name, that returns the ``Arm``. These are the rivals of an
adjustment that need no vectors changed:

    lora      the adapters turned down, in the text encoders alone ("clip strength") or everywhere
    switch    the anchor's prompt first, the concept's from some step on
    compel    the concept's words at a weight, as Compel weighs them
"""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..adjusters import ADJUSTERS, Adjuster, ByRole
from ..adjustment import Adjustment
from ..concept import ALL, TUNED, Concept
from ..errors import AdjustmentError
from .arms import Arm
from .by_compel import ByCompel

__all__ = ["WAYS", "parse_arm", "typed_arm", "way"]

F = TypeVar("F", bound=Callable[..., Arm])
WAYS: dict[str, Callable[..., Arm]] = {}
"""By name, in the order in which they were registered; the names of ``ADJUSTERS`` are ways too."""

OF_CONCEPT = ["encoders", "negative_encoder"]
"""Settings of the concept that an arm with an adjuster takes beside the adjuster's own."""


def way(name: str) -> Callable[[F], F]:
    """Make a way to draw known to the commands. A decorator of a function of settings, each with its type."""

    def register(function: F) -> F:
        WAYS[name] = function
        return function

    return register


@way("lora")
def lora(text: float = 1.0, denoiser: float = 1.0) -> Arm:
    """The adapters, such as a LoRA, at a share of their strength; 1 is as they are.

    Args:
        text: of the text encoders' adapters; what ComfyUI calls clip strength.
        denoiser: of all others; the model's strength.

    Raises: AdjustmentError, where both are 1.
    """
    if (text, denoiser) == (1, 1):
        raise AdjustmentError(
            "lora: text and denoiser are both 1, which is the LoRA as it is. Give one or both."
        )
    if text == denoiser:
        name = f"LoRA × {text:g}"
    else:
        parts = [f"{what} LoRA × {x:g}" for what, x in (("text", text), ("denoiser", denoiser)) if x != 1]
        name = ", ".join(parts)
    return Arm(name, text_lora=text, denoiser_lora=denoiser)


@way("switch")
def switch(until: float = 0.2) -> Arm:
    """Prompt switching: the anchor's prompt first, so that the scene is laid out, and the concept's after.

    Args:
        until: the share of the steps that are the anchor's, 0 to 1.

    Raises: AdjustmentError, out of this range.
    """
    if not 0 <= until <= 1:
        raise AdjustmentError(f"switch: until={until:g} is out of range; it must be between 0 and 1.")
    anchor = Adjustment(ByRole(1, 1, 1), beta=1.0)  # by role, so that nothing at all is changed afterwards
    return Arm(f"anchor for the first {until:.0%}", anchor, schedule=_Until(until))


@dataclass(frozen=True)
class _Until:
    """A schedule: all of it before a share of the steps, and nothing from there on."""

    share: float

    def __call__(self, progress: float) -> float:
        return 1.0 if progress < self.share else 0.0


@way("compel")
def compel(times: float = 0.8) -> Arm:
    """The concept's words at a weight, by Compel itself, which has to be installed.

    Args:
        times: below 1 Compel mixes in the prompt without the words; 0 is without them.

    Raises: AdjustmentError, below 0 or without end.
    """
    if not 0 <= times < math.inf:
        raise AdjustmentError(f"compel: times={times:g} is out of range; it must be 0 or more, and finite.")
    return ByCompel(f"Compel weight {times:g}", weight=times)


def parse_arm(text: str) -> Arm:
    """The arm that a command names, with its settings where they are not the usual.

    Args:
        text: ``NAME`` or ``NAME:setting=value,…``; ``none`` is a value too, and ``0/1/1`` one by role. The
            names are those of ``ADJUSTERS`` and ``WAYS``, the settings those of each; an adjuster also takes
            the concept's ``encoders`` and ``negative_encoder``.

    Raises: AdjustmentError, for a name, a setting or a value that there is not.

    >>> parse_arm("tea:alpha=0.6,beta=none").adjuster
    Adjustment(alpha=0.6, beta=None, norm_blend=None)
    >>> parse_arm("tea:alpha=0/1/1").name
    'TEA α 0/1/1'
    >>> parse_arm("tea:alpha=0.6,encoders=pooled+t5xxl").name
    'TEA α 0.6, pooled+t5xxl alone'
    >>> parse_arm("lora:text=0").name
    'text LoRA × 0'
    """
    name, _, settings = (part.strip() for part in text.partition(":"))
    kinds: dict[str, Callable[..., Adjuster | Arm]] = {**ADJUSTERS, **WAYS}
    kind = kinds.get(name)
    if kind is None:
        raise AdjustmentError(f"'{text}' is no way to draw: '{name}' is none of {', '.join(kinds)}.")
    parts = [part.partition("=") for part in settings.split(",") if part.strip()]
    given = {key.strip().replace("-", "_"): value.strip() for key, _, value in parts}
    hints = typing.get_type_hints(kind)  # of a dataclass its fields, of a function its parameters
    known = list(inspect.signature(kind).parameters)
    if name in ADJUSTERS:
        hints |= dict.fromkeys(OF_CONCEPT, str)
        known += OF_CONCEPT
    for key in given:
        if key not in known:
            has = f"only {', '.join(known)}" if known else "no settings"
            raise AdjustmentError(f"'{text}' sets '{key}', but {name} has {has}.")
    values = {key: _value(text, key, value, hints[key]) for key, value in given.items()}
    of_concept = {key: values.pop(key) for key in OF_CONCEPT if key in values and name in ADJUSTERS}
    try:
        made = kind(**values)
    except TypeError as error:  # one that has no usual value
        raise AdjustmentError(f"'{text}' says too little: {error}.") from error
    return replace(made if isinstance(made, Arm) else _arm_of(made, **of_concept), typed=text)


def _arm_of(adjuster: Adjuster, encoders: str | None = None, negative_encoder: str | None = None) -> Arm:
    """An adjuster and settings of the concept, named as people will read it."""
    Concept(
        "sks dog", "dog", encoders=encoders or ALL, negative_encoder=negative_encoder or TUNED
    )  # in range
    name = adjuster.label
    name += f", {encoders} alone" if encoders else ""
    name += f", {negative_encoder} negative" if negative_encoder else ""
    return Arm(name, adjuster, encoders=encoders, negative_encoder=negative_encoder)


def typed_arm(arm: Arm) -> str:
    """What ``parse_arm`` reads as this arm: an adjuster's settings spelled out, any other as it was typed.

    Raises: AdjustmentError, for one that has no such name: a schedule of one's own, or several ways at once.

    >>> typed_arm(parse_arm("tea:alpha=0/1/1"))
    'tea:alpha=0/1/1,beta=1.5,norm_blend=none'
    """
    loras = {"text": arm.text_lora, "denoiser": arm.denoiser_lora}
    given: dict[str, Any] = {name: scale for name, scale in loras.items() if scale != 1}
    name = "lora"
    if arm.adjuster is not None:
        name = next((each for each, kind in ADJUSTERS.items() if kind is type(arm.adjuster)), "")
        given = {
            each: getattr(arm.adjuster, each) for each in inspect.signature(type(arm.adjuster)).parameters
        }
        of_arm = {each: getattr(arm, each) for each in OF_CONCEPT}
        given |= {each: value for each, value in of_arm.items() if value is not None}
    settings = ",".join(f"{each}={_typed(value)}" for each, value in given.items())
    for text in (f"{name}:{settings}" if settings else name, arm.typed):
        if _reads_as(text, arm):
            return text
    raise AdjustmentError(f"'{arm.name}' has no name that a command knows, such as {', '.join(ADJUSTERS)}.")


def _reads_as(text: str, arm: Arm) -> bool:
    try:
        return replace(parse_arm(text), name=arm.name) == arm
    except AdjustmentError:
        return False


def _typed(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value).lower()


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
