"""A preset beside what else was typed: it says what the concept is, and nothing may say otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from ..concept import Concept
from ..errors import PlaceholderError, Setting

__all__ = ["as_preset"]

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
