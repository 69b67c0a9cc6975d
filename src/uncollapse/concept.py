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
ENCODERS = ("base", "tuned")


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
        negative_encoder: at prompt level, who encodes texts that mention no concept: the negative prompt, the
            empty one too, and other prompts of the batch. "tuned": the text encoder as it is; they keep every
            bit. "base": as for anchors. A tuned encoder puts some of the concept into the empty prompt, and
            guidance away from it costs likeness once the prompt itself is adjusted. Not in the paper.

    Raises: PlaceholderError, AnchorError, AdjustmentError.
    """

    placeholder: str
    anchor: str
    alpha: float = ALPHA
    beta: float | None = BETA
    norm_blend: float | None = None
    level: str = "auto"
    anchor_encoder: str = "base"
    negative_encoder: str = "tuned"

    def __post_init__(self) -> None:
        if not isinstance(self.placeholder, str) or not self.placeholder.strip():
            raise PlaceholderError(
                f"Concept(): placeholder={self.placeholder!r} is empty. "
                'Give the words that prompts use for the concept, such as "sks dog" or "<my-cat>".'
            )
        check_anchor(self.anchor, self.placeholder)
        _check_choice("level", self.level, LEVELS)
        _check_choice("anchor_encoder", self.anchor_encoder, ENCODERS)
        _check_choice("negative_encoder", self.negative_encoder, ENCODERS)
        if (self.anchor_encoder, self.negative_encoder) == ("tuned", "base"):
            raise AdjustmentError(
                "Concept(): negative_encoder='base' goes with anchor_encoder='base' only: an anchor that has "
                "drifted is no nearer to a negative prompt that has not. Leave one of them out."
            )
        _ = self.adjustment

    @property
    def adjustment(self) -> Adjustment:
        """The concept's alpha, beta and norm_blend, checked."""
        return Adjustment(self.alpha, self.beta, self.norm_blend)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise AdjustmentError(f"Concept(): {name}={value!r} is none of {', '.join(map(repr, choices))}.")
