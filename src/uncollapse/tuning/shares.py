"""What pictures come to: shares of what there is to have, and which ways the pictures do not tell apart.

Two references draw along: the base model, which has all of the context and none of the likeness, and the
personalised model as it is. Between their two means lies a way's,

    context  = (c − c_personalised) / (c_base − c_personalised)
    likeness = (l − l_base) / (l_personalised − l_base)

The wish makes one value of the two. Two ways are *close* where their values differ by no more than one
standard error of the difference: the jackknife's over the n prompts, as the pictures of one prompt are not
independent; d₍ᵢ₎ is the difference without prompt i:

    se² = (n − 1)/n · Σ (d₍ᵢ₎ − d̄)²

Sources: Tukey 1958, the jackknife; Breiman, Friedman, Olshen and Stone, "Classification and Regression
Trees", 1984, section 3.4.3, the rule of one standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from ..comparison import BASE, PERSONALISED, Comparison
from ..errors import PipelineError
from ..metrics.scores import Question, Score, first_that_answers

__all__ = ["Scale", "Scales", "close", "scales"]

LEAST = 0.05  # of a score's span, below which there is nothing to have: one picture in twenty
ROUNDING = 1e-9


@dataclass(frozen=True)
class Scale:
    """One score between its two ends: the model that has none of it, and the one that has all.

    Args:
        score: which.
        none, whole: names of the arms at its ends.
        comparisons: what was drawn, a round each, of the same prompts.
    """

    score: Score
    none: str
    whole: str
    comparisons: Sequence[Comparison]

    def mean(self, arm: str, without: int | None = None) -> float:
        """Over all pictures of an arm, but for those of one prompt."""
        return fmean(
            float(record.scores[self.score.name])
            for each in self.comparisons
            for i, record in enumerate(each.of(arm))
            if i // len(each.seeds) != without
        )

    def share(self, arm: str, without: int | None = None) -> float:
        """Where an arm stands between the ends; these are as far apart without a prompt as with it."""
        span = self.mean(self.whole) - self.mean(self.none)
        return (self.mean(arm, without) - self.mean(self.none, without)) / span

    @property
    def empty(self) -> bool:
        """Whether the ends are one, so that there is nothing to have."""
        none, whole = self.mean(self.none), self.mean(self.whole)
        return whole - none < LEAST * max(abs(whole), abs(none), 1e-12)

    def written(self, arm: str) -> str:
        """An arm's mean, in words."""
        return self.score.written(self.mean(arm) * (100 if self.score.share else 1))


Scales = tuple[Scale, Scale]
"""Of context and of likeness."""


def scales(comparisons: Sequence[Comparison]) -> Scales:
    """What the pictures are measured by.

    Raises: PipelineError, where a score is missing, or the photos show something else than the pictures.
    """
    context = _scale("context", PERSONALISED.name, BASE.name, comparisons)
    likeness = _scale("likeness", BASE.name, PERSONALISED.name, comparisons)
    if likeness.empty:
        raise PipelineError(
            "tune(): the photos are no more like the concept's pictures than like the base model's "
            f"({likeness.score.title} {likeness.written(PERSONALISED.name)} and "
            f"{likeness.written(BASE.name)}), so the likeness cannot be measured. Give photos of the subject "
            "that the model was taught."
        )
    return context, likeness


def _scale(question: Question, none: str, whole: str, comparisons: Sequence[Comparison]) -> Scale:
    score = first_that_answers(question, comparisons[0].scores)
    if score is None:
        raise PipelineError(
            f"tune(): nothing measures the {question} of a picture. Give photos of the subject and a CLIP "
            "that scores pictures."
        )
    return Scale(score, none, whole, comparisons)


def close(arm: str, best: str, measured_by: Scales, value: Callable[[float, float], float]) -> bool:
    """Whether the pictures hardly tell an arm from the best: its value is within one standard error.

    Args:
        value: of a share of the context and one of the likeness. Of a single prompt no error is known.
    """

    def behind(without: int | None = None) -> float:
        pairs = ([scale.share(each, without) for scale in measured_by] for each in (best, arm))
        first, second = (value(*pair) for pair in pairs)
        return first - second

    n = len(measured_by[0].comparisons[0].prompts)
    d = [behind(without) for without in range(n)] if n > 1 else [0.0]
    mean = fmean(d)
    se = sqrt((n - 1) / n * sum((each - mean) ** 2 for each in d))
    return behind() <= se + ROUNDING
