"""A figure of one picture: what statistics and reports are made of."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cell"]


@dataclass(frozen=True)
class Cell:
    """One score of one picture, or that it is missing.

    Args:
        concept: whose picture it is; intervals are over concepts.
        method: how the concept was taught, such as "Textual Inversion".
        arm: how it was drawn, such as "personalised" or "TEA α 0.2".
        prompt: what was asked for, with the subject's place as ``{}``.
        seed: of the noise, which all arms of a prompt share.
        score: the score's whole identity, such as
            ``clip_t|openai/clip-vit-base-patch32@main|224bicubic|proj|100cos|text=context|mean``; scores of
            two identities are never averaged.
        value: the figure; None where there is none, because the picture or the answer failed.
        picture: the picture's file, relative to the run's folder; "" where there is none.
    """

    concept: str
    method: str
    arm: str
    prompt: str
    seed: int
    score: str
    value: float | None
    picture: str = ""
