"""Dominating, healthy or overlooked: what the measurements come to, why, and what to try.

With the denoiser probe:

    dominating   heard < HEARD: the context no longer moves the prediction as it does in the base model
    overlooked   else, presence < PRESENCE: the concept hardly changes what the plain word would draw
    healthy      else

Both lines are fitted, by ``benchmarks/diagnosis_verdict.py``, to what a judge sees in pictures of the
miniature: 324 states of 36 trainings, by three methods, of six concepts, from two seeds. They ask "under 75 %
of the contexts kept?" and "under 25 % of the likeness?". Judged by lines fitted on the other five concepts,
"dominating or not" is right for 92 % of the states, the whole three-way verdict for 90 %; for states with an
adjustment in force, 88 and 78 %. The probe sees whether the concept changes the picture, not whether it does
so in the individual's likeness, so that a badly learned subject can pass for a healthy one. This is one small
model: elsewhere trust the order of two checkpoints more than the line between two words. What is advised
is an adjusted state, and so the advice says how far it is to be trusted, in ``DOUBT``.

Without the probe there is only drift, which says that something moved and not what that costs: a file whose
rows are longer than 99 % of all words and no nearer to the anchor than chance is called drifted, and so is a
prompt whose context words moved; whether they are lost, text cannot say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..adjustment import ALPHA, BETA, Adjustment
from ..comparison import Arm, tea_arms
from ..vocabulary.inspection import DRIFTED, LONG, placed
from .drift import TokenDrift
from .probe import Probe

__all__ = [
    "CONTEXT_KEPT",
    "DOUBT",
    "DRIFTED",
    "HEARD",
    "LIKENESS_KEPT",
    "LONG",
    "PRESENCE",
    "PROMPT_BETA",
    "Advice",
    "Verdict",
    "judged",
    "probe_verdict",
    "token_verdict",
]

HEARD = 0.67
PRESENCE = 0.29
CONTEXT_KEPT, LIKENESS_KEPT = 75, 25  # per cent of the pictures, which the two lines stand for
DOUBT = (
    "Adjusted, a concept is judged less well than as it is (78 % of the verdicts right, not 90; dominating "
    "or not 88 %, not 92): whether the scene comes back, and how much of the likeness goes, only pictures "
    "show."
)
SHORT = 1  # per cent of the words that are shorter
PROMPT_BETA = 1.0  # norms at prompt level are the final LayerNorm's: there is nothing to scale


@dataclass(frozen=True)
class Advice:
    """What to try.

    Args:
        anchor: the word to move toward.
        arm: how.
        expect: what to expect of it, in words.
        doubt: how far that is to be trusted, where no pictures show it; "" where nothing was judged.
    """

    anchor: str
    arm: Arm
    expect: str
    doubt: str = ""

    @property
    def strength(self) -> str:
        """The arm by its settings, "α 0.6, β 1", or, where it is no TEA, by its name."""
        tea = self.arm.adjuster
        if not isinstance(tea, Adjustment):
            return tea.label if tea else self.arm.name
        settings = {"α": tea.alpha, "β": tea.beta, "norm blend": tea.norm_blend}
        return ", ".join(f"{name} {value:g}" for name, value in settings.items() if value is not None)

    @property
    def sentence(self) -> str:
        """What to try, and what to expect of it."""
        toward = f", anchor “{self.anchor}”" if self.arm.adjuster else ""
        return f"Try {self.strength}{toward}. {self.expect}"


@dataclass(frozen=True)
class Verdict:
    """What the measurements come to.

    Args:
        word: "dominating", "healthy" or "overlooked"; "drifted" or "in place" where the probe did not run.
        reasons: what speaks for it, a sentence each.
        rests_on: "denoiser" or "token table".
        advice: None where there is nothing to cure.
    """

    word: str
    reasons: tuple[str, ...]
    rests_on: str
    advice: Advice | None = None


def judged(heard: float, presence: float, lines: tuple[float, float] = (HEARD, PRESENCE)) -> str:
    """The word for two figures of the probe, each with its line: "dominating", "healthy" or "overlooked"."""
    if heard < lines[0]:
        return "dominating"
    return "overlooked" if presence < lines[1] else "healthy"


def probe_verdict(probe: Probe, anchor: str, adjusted: Sequence[tuple[Arm, Probe]] = ()) -> Verdict:
    """The verdict of the denoiser.

    Args:
        probe: of the concept as it is.
        anchor: the word to move toward.
        adjusted: the same by other arms, the ones to be preferred first.
    """
    heard, presence = probe.heard.value, probe.presence.value
    word = judged(heard, presence)
    reasons = (
        f"The denoiser hears {probe.heard} of the context that the base model hears; below {HEARD:g} the "
        "pictures lose it.",
        f"In context the concept moves the prediction {probe.presence} times as far as the context itself "
        f"does; below {PRESENCE:g} the subject is hardly there. Whether it is a good likeness, only pictures "
        "show.",
    )
    advice = _advice(heard, anchor, adjusted) if word == "dominating" and adjusted else None
    return Verdict(word, reasons, "denoiser", advice)


def _advice(heard: float, anchor: str, adjusted: Sequence[tuple[Arm, Probe]]) -> Advice:
    """The first that brings the context back over the line, else the one that brings back most."""
    cure = next(((arm, found) for arm, found in adjusted if found.heard.value >= HEARD), None)
    arm, found = cure or max(adjusted, key=lambda each: each[1].heard.value)
    after = found.heard.value
    if after <= heard:
        only_tea = all(isinstance(each.adjuster, Adjustment) for each, _ in adjusted)
        expect = (
            f"No {'α' if only_tea else 'adjustment'} tried makes more of the context heard: the collapse "
            "seems to sit in the denoiser, where text cannot reach it. An earlier checkpoint may do better."
        )
    elif cure:
        expect = f"The context heard rises from {heard:.2f} to {after:.2f}; some of the likeness goes."
    else:
        expect = (
            f"The context heard rises from {heard:.2f} to {after:.2f}, the most of all that were tried, and "
            f"not over {HEARD:g}: part of the collapse may sit in the denoiser, where text cannot reach it."
        )
    return Advice(anchor, arm, expect, DOUBT)


def token_verdict(rows: Sequence[TokenDrift], anchor: str) -> Verdict:
    """What an embedding file alone says: where its vectors went, all of them counted."""
    long = [row for row in rows if (row.before.norm_percentile or 0) >= LONG]
    short = [row for row in rows if (row.before.norm_percentile or 0) <= SHORT]
    astray = [row for row in rows if row.cosine <= row.chance]
    count = len(rows)
    longest = max(rows, key=lambda row: row.norm_ratio)
    reasons = [
        f"{len(long)} of {count} vectors are longer than {LONG} % of all words; the longest is "
        f"{longest.norm_ratio:.1f} times the norm of '{anchor}'.",
        f"{len(astray)} of {count} are no nearer to '{anchor}' than chance (cosine {rows[0].chance:.2f}); "
        f"the lowest cosine is {min(row.cosine for row in rows):z.2f}.",
        "A file shows where vectors went, not whether pictures lose their context: for that, diagnose the "
        "model with the embedding in it.",
    ]
    if short:
        reasons.insert(1, f"{len(short)} of {count} are shorter than {100 - SHORT} % of all words.")
    word = placed((row.before.norm_percentile or 0, row.cosine, row.chance) for row in rows)
    expect = (
        f"Norm {BETA:g} times that of '{anchor}', a fifth of the angle back to it: more of the rest of the "
        "prompt, less of the likeness."
    )
    [paper] = tea_arms([ALPHA], BETA)
    advice = Advice(anchor, paper, expect) if word == DRIFTED else None
    return Verdict(word, tuple(reasons), "token table", advice)
