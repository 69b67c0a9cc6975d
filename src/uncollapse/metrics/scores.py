"""The scores that pictures are given, each declared once: what it is called, what it is in, what it answers.

Tables, sentences, contact sheets, reports and plots take every word from here. So a new score is one
declaration, and one function that gives it (``comparison.measures``):

    declare(Score("warmth", "warmth", "kelvin", answers="quality"))

Where several scores answer one question, the first of them that was measured is the one that is quoted: the
judge's counts, where there is a judge, say more than CLIP's cosines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .certainty import Share, Spread

__all__ = ["SCORES", "Question", "Score", "declare", "first_that_answers", "present"]

Question = Literal["context", "likeness", "prompt", "quality"]

SHARE, COSINE = "% of pictures", "cosine × 100"
CLIP_NOTE = "CLIP scores are cosines × 100."


@dataclass(frozen=True)
class Score:
    """What is said of a picture, and how it is worded. The texts after ``share`` follow from those before.

    Args:
        name: its key in a record and in files.
        title: what tables call it.
        unit: of its mean; of a share "% of pictures".
        answers: which question: is the rest of the prompt there ("context"), is it this individual
            ("likeness"), is all that was asked for there ("prompt"), or is it a good picture ("quality")?
        higher_is_better: False for a distance or a fault.
        share: whether it is yes or no for each picture and counted, rather than a number and averaged.
        decimals: that are written of a mean; of a share none are.
        paper_title: what a diagnosis calls it, with the paper's symbol where it has one.
        on_sheet: whether a contact sheet may quote it.
        badge: beside the tick or cross under a picture; of a share.
        foot: under its figure at the foot of a contact sheet.
        told: the model does what, with ``{}`` for the figure: "keeps the context in {} of its images".
        note: below a table.
    """

    name: str
    title: str
    unit: str
    answers: Question
    higher_is_better: bool = True
    share: bool = False
    decimals: int = 1
    paper_title: str = ""
    on_sheet: bool = True
    badge: str = ""
    foot: str = ""
    told: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        direction = "" if self.higher_is_better else "lower is better"
        of_numbers = "" if self.share else self.unit
        said = ", ".join(filter(None, (of_numbers, direction)))
        defaults = {
            "paper_title": self.title,
            "badge": self.title,
            "foot": self.title,
            "told": f"scores {{}} for {self.title}",
            "note": f"{self.title}: {said}." if said else "",
        }
        for name, text in defaults.items():
            object.__setattr__(self, name, getattr(self, name) or text)
        if self.share:
            object.__setattr__(self, "decimals", 0)

    def written(self, value: float) -> str:
        """A figure of this score as a sentence has it: "37%", "19.4"."""
        return f"{value:.{self.decimals}f}{'%' if self.share else ''}"

    def cell(self, summary: Share | Spread) -> str:
        """What is known of a group of pictures as a table has it: "37% [21–56]", "19.4 ± 0.3"."""
        return str(summary) if isinstance(summary, Share) else summary.written(self.decimals)

    def good(self, value: bool) -> bool:
        """Whether yes, or no, is what one hopes for."""
        return value == self.higher_is_better


SCORES: dict[str, Score] = {}
"""By name, in the order of the tables."""


def declare(score: Score) -> Score:
    """Make a score known: to tables, sentences, sheets, reports and plots; after those that are known."""
    SCORES[score.name] = score
    return score


def present(names: set[str]) -> list[Score]:
    """Those of ``names`` that are declared, in the order of the tables."""
    return [score for name, score in SCORES.items() if name in names]


def first_that_answers(question: Question, scores: list[Score]) -> Score | None:
    """The score of these that is quoted on a question."""
    return next((score for score in scores if score.answers == question), None)


declare(
    Score(
        "context_kept",
        "context kept",
        SHARE,
        answers="context",
        share=True,
        badge="asked-for scene",
        foot="show the asked-for scene",
        told="keeps the asked-for context in {} of its images",
    )
)
declare(
    Score(
        "identity_kept",
        "likeness kept",
        SHARE,
        answers="likeness",
        share=True,
        badge="likeness",
        foot="keep the likeness",
        told="the likeness in {}",
    )
)
declare(
    Score(
        "clip_t_context",
        "CLIP-T context",
        COSINE,
        answers="context",
        paper_title="S_T^p, context",
        told="scores a CLIP-T for the context of {}",
        note=CLIP_NOTE,
    )
)
declare(
    Score(
        "clip_t_concept",
        "CLIP-T concept",
        COSINE,
        answers="prompt",
        paper_title="S_T^c, concept",
        on_sheet=False,
        note=CLIP_NOTE,
    )
)
declare(
    Score(
        "clip_t_full",
        "CLIP-T full",
        COSINE,
        answers="prompt",
        paper_title="S_T^f, full prompt",
        on_sheet=False,
        note=CLIP_NOTE,
    )
)
declare(
    Score(
        "clip_i_middle",
        "CLIP-I middle",
        COSINE,
        answers="likeness",
        foot="CLIP-I likeness, middle",
        told="a CLIP-I likeness in the middle of {}",
        note="CLIP-I middle is of the middle half of pictures and photos.",
    )
)
declare(
    Score(
        "clip_i",
        "CLIP-I photos",
        COSINE,
        answers="likeness",
        paper_title="CLIP-I, photos",
        foot="CLIP-I likeness",
        told="a CLIP-I likeness of {}",
        note=CLIP_NOTE,
    )
)
declare(
    Score(
        "dino_i",
        "DINO-I photos",
        COSINE,
        answers="likeness",
        foot="DINO-I likeness",
        told="a DINO-I likeness of {}",
        note="DINO scores are cosines × 100.",
    )
)
declare(Score("siglip_t", "SigLIP text", "probability × 100", answers="prompt", on_sheet=False))
