"""A score's identity, taken apart: which declared score it is, and so what it answers and which way is good.

    clip_t|openai/clip-vit-base-patch32@main|224bicubic|proj|100cos|text=context|mean

The first part is the score's name; CLIP-T is three scores by its text, so ``clip_t`` with ``text=context`` is
``clip_t_context``. The rest says how it was measured: figures of two identities are two quantities.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..metrics.scores import SCORES, Question, Score

__all__ = ["answering", "declared_score", "title"]


def declared_score(identity: str) -> Score:
    """What is declared of the score with this identity; of one that nobody declared, its name.

    >>> declared_score("clip_t|some/clip|224bicubic|proj|100cos|text=context|mean").title
    'CLIP-T context'
    """
    name, *parts = identity.split("|")
    texts = [f"{name}_{part.removeprefix('text=')}" for part in parts if part.startswith("text=")]
    known = (SCORES[each] for each in [name, *texts] if each in SCORES)
    return next(known, Score(name, name, "", answers="quality"))


def title(identity: str) -> str:
    """What a table calls it: short, where the whole identity stands elsewhere."""
    return declared_score(identity).title


def answering(question: Question, identities: Iterable[str]) -> str | None:
    """The first of these identities that answers a question; None where none does."""
    return next((each for each in identities if declared_score(each).answers == question), None)
