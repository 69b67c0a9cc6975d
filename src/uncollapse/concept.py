"""A concept: the words that call it, the word it came from, and how far to move it back.

One frozen record of settings, which Python, the command line and other front ends all build.
"""

from __future__ import annotations

from dataclasses import dataclass

from .adjustment import ALPHA, BETA, Adjustment
from .anchors import check_anchor
from .errors import AdjustmentError, PlaceholderError

__all__ = ["Concept"]

LEVELS = ("auto", "token", "prompt")
ANCHOR_ENCODERS = ("base", "tuned")


@dataclass(frozen=True)
class Concept:
    """A personalised concept and its adjustment.

    Args:
        placeholder: what prompts call it: "<my-cat>", "sks dog". Take the noun in when prompts always
            carry it ("sks dog", not "sks"), or the anchor twin reads "a dog dog".
        anchor: what it is, in ordinary words: "cat", "small dog", "carved by".
        alpha, beta, norm_blend: as in ``Adjustment``.
        level: where to adjust. "token": the learned rows of the token table (Textual Inversion).
            "prompt": the text encoder's output (DreamBooth, LoRA, Custom Diffusion). "auto": "token" when
            the placeholder is made of learned tokens alone, else "prompt".
        anchor_encoder: at prompt level, who encodes the anchor. "base": the text encoder with its adapters
            off, which has not drifted. "tuned": as it is.

    Raises: PlaceholderError, AnchorError, AdjustmentError.
    """

    placeholder: str
    anchor: str
    alpha: float = ALPHA
    beta: float | None = BETA
    norm_blend: float | None = None
    level: str = "auto"
    anchor_encoder: str = "base"

    def __post_init__(self) -> None:
        if not isinstance(self.placeholder, str) or not self.placeholder.strip():
            raise PlaceholderError(
                f"Concept(): placeholder={self.placeholder!r} is empty. "
                'Give the words that prompts use for the concept, such as "sks dog" or "<my-cat>".'
            )
        check_anchor(self.anchor, self.placeholder)
        _check_choice("level", self.level, LEVELS)
        _check_choice("anchor_encoder", self.anchor_encoder, ANCHOR_ENCODERS)
        _ = self.adjustment

    @property
    def adjustment(self) -> Adjustment:
        """The concept's alpha, beta and norm_blend, checked."""
        return Adjustment(self.alpha, self.beta, self.norm_blend)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise AdjustmentError(f"Concept(): {name}={value!r} is none of {', '.join(map(repr, choices))}.")
