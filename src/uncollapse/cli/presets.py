"""A preset beside what else was typed: it says what the concept is, and nothing may say otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..concept import Concept
from ..errors import AdjustmentError, PlaceholderError, Setting

__all__ = ["as_preset", "check_no_strength"]

USUAL = {"level": "auto", "anchor_encoder": "base", "negative_encoder": "tuned", "encoders": "all"}


def as_preset(
    concept: Concept, placeholder: str | None, anchor: str | None, how: Mapping[str, str] = USUAL
) -> tuple[str, str, dict[str, str]]:
    """Placeholder, anchor and the rest of ``how``, as a preset's concept has them.

    Raises: PlaceholderError, where something else was typed.
    """
    typed = {"placeholder": placeholder, "anchor": anchor, **how}
    for name, value in typed.items():
        own = getattr(concept, name)
        if value not in (None, USUAL.get(name), own):
            raise PlaceholderError(
                Setting(name),
                f" is '{value}', and ",
                Setting("preset"),
                f" was measured with '{own}'. Leave it out.",
            )
    return concept.placeholder, concept.anchor, {name: getattr(concept, name) for name in how}


def check_no_strength(typed: Iterable[object]) -> None:
    """Raise AdjustmentError, for a strength typed beside a preset, which says how far to move."""
    if any(value is not None for value in typed):
        raise AdjustmentError(
            Setting("preset"),
            " says how far to move. Leave ",
            Setting("alpha"),
            ", ",
            Setting("beta"),
            " and ",
            Setting("norm_blend"),
            " out.",
        )
