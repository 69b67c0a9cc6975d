"""A concept: the words that call it, the word it came from, and how to move it back.

One frozen record of settings, which Python, the command line and other front ends all build.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from .adjusters import Adjuster, Beside, ByRole
from .adjustment import Adjustment
from .anchors import check_anchor
from .errors import AdjustmentError, PlaceholderError

__all__ = ["UNSET", "Concept", "Unset"]

LEVELS = ("auto", "token", "prompt")
BASE, TUNED = ENCODED_BY = ("base", "tuned")
ALL = "all"


class Unset(Enum):
    """Stands for a setting that was not given."""

    UNSET = "not given"


UNSET = Unset.UNSET


@dataclass(frozen=True, init=False)
class Concept:
    """A personalised concept and how it is adjusted.

    Args:
        placeholder: what prompts call it: "<my-cat>", "sks dog". Take the noun in when prompts always
            carry it ("sks dog", not "sks"), or the anchor twin reads "a dog dog".
        anchor: what it is, in ordinary words: "cat", "small dog", "carved by".
        alpha, beta, norm_blend: settings of its adjuster, which without ``adjuster`` is an ``Adjustment``.
        level: where to adjust. "token": the learned rows of the token table (Textual Inversion).
            "prompt": the text encoder's output (DreamBooth, LoRA, Custom Diffusion). "auto": "token" when
            the placeholder is made of learned tokens alone, else "prompt".
        anchor_encoder: at prompt level, who encodes the anchor. "base": the text encoder with its adapters
            off, which has not drifted. "tuned": as it is.
        negative_encoder: at prompt level, who encodes texts that mention no concept: the negative prompt, the
            empty one too, and other prompts of the batch. "tuned": the text encoder as it is; they keep every
            bit. "base": as for anchors. A tuned encoder puts some of the concept into the empty prompt, and
            guidance away from it costs likeness once the prompt itself is adjusted. Not in the paper.
        encoders: whose vectors move, with "+" between them: "clip_l", "clip_g", "t5xxl" and the like,
            "text_encoder" where there is but one; "pooled" for what encoders say of the prompt as a whole.
            All others keep every bit. "all": whatever follows the concept.
        adjuster: how to adjust; None for the paper's way, with the paper's settings. Settings given beside it
            take the place of its own.

    Raises: PlaceholderError, AnchorError, AdjustmentError.
    """

    placeholder: str
    anchor: str
    adjuster: Adjuster
    level: str
    anchor_encoder: str
    negative_encoder: str
    encoders: str

    def __init__(
        self,
        placeholder: str,
        anchor: str,
        alpha: float | ByRole | Unset = UNSET,
        beta: float | Unset | None = UNSET,
        norm_blend: float | Unset | None = UNSET,
        level: str = "auto",
        anchor_encoder: str = BASE,
        negative_encoder: str = TUNED,
        encoders: str = ALL,
        *,
        adjuster: Adjuster | None = None,
    ) -> None:
        settings = {"alpha": alpha, "beta": beta, "norm_blend": norm_blend}
        given = {name: value for name, value in settings.items() if value is not UNSET}
        fields = {
            "placeholder": placeholder,
            "anchor": anchor,
            "adjuster": _with_settings(adjuster or Adjustment(), given),
            "level": level,
            "anchor_encoder": anchor_encoder,
            "negative_encoder": negative_encoder,
            "encoders": encoders,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        self._check()

    @property
    def movable(self) -> frozenset[str]:
        """The names in ``encoders``; none where all are meant."""
        return frozenset() if self.encoders == ALL else frozenset(self.encoders.split("+"))

    def moves(self, encoder: str) -> bool:
        """Whether the vectors of an encoder of this name move."""
        return not self.movable or encoder in self.movable

    def _check(self) -> None:
        if not isinstance(self.placeholder, str) or not self.placeholder.strip():
            raise PlaceholderError(
                f"Concept(): placeholder={self.placeholder!r} is empty. "
                'Give the words that prompts use for the concept, such as "sks dog" or "<my-cat>".'
            )
        check_anchor(self.anchor, self.placeholder)
        _check_choice("level", self.level, LEVELS)
        _check_choice("anchor_encoder", self.anchor_encoder, ENCODED_BY)
        _check_choice("negative_encoder", self.negative_encoder, ENCODED_BY)
        if not isinstance(self.encoders, str) or not all(self.encoders.split("+")):
            raise AdjustmentError(
                f"Concept(): encoders={self.encoders!r} names no encoders. Give their names with + between "
                'them, such as "clip_l+pooled", or leave it out for all.'
            )
        if self.level != "auto" and self.level not in self.adjuster.levels:
            raise AdjustmentError(
                f"Concept(): {self.adjuster.label} is not meant for the {self.level} level, only for "
                f"{' and '.join(sorted(self.adjuster.levels))}. Leave level out, or take another adjuster."
            )
        by_tuned = self.anchor_encoder == TUNED or self.adjuster.beside is Beside.RELEASED
        if by_tuned and self.negative_encoder == BASE:
            raise AdjustmentError(
                "Concept(): negative_encoder='base' goes with anchors by the base encoder only: an anchor "
                "that has drifted is no nearer to a negative prompt that has not. Leave one of them out."
            )


def _with_settings(adjuster: Adjuster, given: dict[str, Any]) -> Adjuster:
    unknown = [name for name in given if not hasattr(adjuster, name)]
    if unknown:
        raise AdjustmentError(
            f"Concept(): {adjuster.label} has no {' and no '.join(unknown)}. Give it its own settings: "
            f"adjuster={type(adjuster).__name__}(…)."
        )
    return replace(adjuster, **given) if given else adjuster


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise AdjustmentError(f"Concept(): {name}={value!r} is none of {', '.join(map(repr, choices))}.")
