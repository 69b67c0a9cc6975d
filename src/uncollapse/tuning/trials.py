"""Trying the ways of a family on one concept: first the denoiser is asked, then pictures are drawn.

    1  The probe (``diagnosis.probe``) says of each way how much of the context is heard. What leaves the
       context unheard is dropped without a picture; of the rest those go on that leave most of the concept.
    2  These draw the same few prompts with the same noise, a seed a round; then the worse half is dropped.
    3  Of those that are left, the wish (``Keep``) chooses.

Figures are shares of what there is to have, between two references that draw along: the base model, which has
all of the context and none of the likeness, and the personalised model as it is.

    context  = (c − c_personalised) / (c_base − c_personalised)
    likeness = (l − l_base) / (l_personalised − l_base)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from statistics import fmean
from typing import Any

from ..comparison import (
    BASE,
    PERSONALISED,
    Album,
    Arm,
    Comparison,
    ContextPrompt,
    Measure,
    compare,
    parse_arm,
)
from ..components import Pipeline, has_adapters
from ..concept import Concept
from ..diagnosis.probe import ProbeSettings, arm_response, base_response, probe
from ..diagnosis.verdict import HEARD
from ..errors import PipelineError, Setting
from ..metrics.scores import first_that_answers
from ..models.generation import GenerationSettings
from ..pipelines import level_of
from .family import family
from .keep import Keep
from .preset import Preset, fingerprints

__all__ = ["Candidate", "TuneSettings", "Tuned", "tune", "tuning"]

LEAST = 0.05  # of a score's span, below which there is nothing to have: one picture in twenty
FINALISTS = 2


@dataclass(frozen=True)
class TuneSettings:
    """How much is tried.

    Args:
        keep: what the user would rather keep.
        pictures: at most so many are drawn.
        rounds: of drawing; each has one seed.
        seed: the first.
        ways: what is tried, as ``parse_arm`` reads it; None for the ``family`` of the concept.
        probe: None draws every way in the first round, which costs more pictures.
    """

    keep: Keep = field(default_factory=Keep)
    pictures: int = 60
    rounds: int = 3
    seed: int = 0
    ways: Sequence[str] | None = None
    probe: ProbeSettings | None = field(default_factory=ProbeSettings)


@dataclass(frozen=True)
class Candidate:
    """One way, and what is known of it.

    Args:
        way: as ``parse_arm`` reads it.
        heard: how much of the context the denoiser hears, 1 for all that the base model hears; None unasked.
        presence: how much the concept changes what is drawn there.
        pictures: how many it drew.
        context, likeness: shares of what there is to have; None without pictures.
    """

    way: str
    heard: float | None = None
    presence: float | None = None
    pictures: int = 0
    context: float | None = None
    likeness: float | None = None

    @property
    def arm(self) -> Arm:
        return parse_arm(self.way)


@dataclass(frozen=True)
class Tuned:
    """What is known after a round.

    Args:
        concept: what was tuned.
        keep: the wish.
        candidates: all that were tried, the best first.
        comparisons: what was drawn, a round each.
        fits: ``fingerprints`` of what personalises the pipeline.
        says: why nothing was tuned; "" where something was.
    """

    concept: Concept
    keep: Keep
    candidates: tuple[Candidate, ...]
    comparisons: tuple[Comparison, ...] = ()
    fits: dict[str, list[float]] = field(default_factory=dict)
    says: str = ""

    @property
    def chosen(self) -> Candidate | None:
        """The best of those that drew most; None where nothing was drawn, or nothing is to be tuned."""
        drawn = [each for each in self.candidates if each.pictures]
        return drawn[0] if drawn and not self.says else None

    @property
    def preset(self) -> Preset | None:
        """What was chosen, as a file holds it."""
        chosen = self.chosen
        if chosen is None:
            return None
        measured = {
            "keep": str(self.keep),
            "context": chosen.context,
            "likeness": chosen.likeness,
            "pictures": chosen.pictures,
        }
        return Preset(self.concept, chosen.way, self.fits, measured)

    @property
    def drawn(self) -> int:
        """How many pictures."""
        return sum(len(comparison.records) for comparison in self.comparisons)


def tune(
    pipe: Pipeline,
    concept: Concept,
    prompts: Sequence[ContextPrompt],
    measures: Sequence[Measure],
    settings: TuneSettings | None = None,
    drawing: GenerationSettings | None = None,
    *,
    base: Pipeline | None = None,
    album: Album | None = None,
    on_step: Callable[[str, int], object] = lambda what, count: None,
) -> Tuned:
    """Find the way of adjusting that serves a concept best.

    Args:
        pipe: with the concept in it; left as it was found.
        concept: its placeholder and anchor; the strength is what is looked for.
        prompts: what to draw, each with a context; four or more that are unlike each other.
        measures: one must give a score of the context, and one of the likeness: CLIP with photos, or a judge.
        settings: how much is tried, and what to keep.
        drawing: how the pipeline is called.
        base: a pipeline that was never fine-tuned; None for ``pipe`` with its adapters off.
        album: keeps the pictures; one that finds pictures of before lets a stopped run go on.
        on_step: called with "asked" and 1 for each way that the denoiser was asked about, and with "drawn"
            and the number of pictures just drawn.

    Raises: PipelineError, where a score is missing, or the photos show something else than the pictures; what
        ``apply`` raises.
    """
    *_, whole = tuning(
        pipe, concept, prompts, measures, settings, drawing, base=base, album=album, on_step=on_step
    )
    return whole


def tuning(
    pipe: Pipeline,
    concept: Concept,
    prompts: Sequence[ContextPrompt],
    measures: Sequence[Measure],
    settings: TuneSettings | None = None,
    drawing: GenerationSettings | None = None,
    *,
    base: Pipeline | None = None,
    album: Album | None = None,
    on_step: Callable[[str, int], object] = lambda what, count: None,
) -> Iterator[Tuned]:
    """Tune, and say after each round what is known, so that whoever is interrupted has that.

    Its parameters and errors are those of ``tune``.
    """
    settings, album = settings or TuneSettings(), album or Album()
    _check_base(pipe, concept, base)
    ways = tuple(settings.ways or family(pipe, concept))
    asked = _asked(pipe, concept, prompts, ways, settings, base, on_step)
    known = Tuned(concept, settings.keep, tuple(asked), fits=fingerprints(pipe, concept))
    left = _worth_drawing(asked, _how_many(settings, len(prompts)))
    for number in range(settings.rounds):
        arms = [*([BASE] if number == 0 else []), PERSONALISED, *(each.arm for each in left)]
        drawn = compare(
            pipe,
            concept,
            prompts,
            [settings.seed + number],
            arms,
            drawing,
            measures,
            lambda count: on_step("drawn", count),
            base=base,
            album=album,
        )
        scales = _scales((*known.comparisons, drawn))
        measured = [_measured(each, scales, (*known.comparisons, drawn)) for each in known.candidates]
        known = replace(
            known,
            candidates=tuple(sorted(measured, key=lambda each: _rank(each, settings.keep), reverse=True)),
            comparisons=(*known.comparisons, drawn),
            says=_nothing_to_tune(scales),
        )
        yield known
        if known.says:
            return
        names = {each.way for each in left}
        left = [each for each in known.candidates if each.way in names]
        left = left[: max(FINALISTS, ceil(len(left) / 2))]


def _check_base(pipe: Pipeline, concept: Concept, base: Pipeline | None) -> None:
    if base is None and not (has_adapters(pipe) or level_of(pipe, concept) == "token"):
        raise PipelineError(
            "tune(): the model itself is personalised, and there is none beside it that has all of the "
            "context. Give the one it was made from as ",
            Setting("base"),
            ".",
        )


def _asked(
    pipe: Pipeline,
    concept: Concept,
    prompts: Sequence[ContextPrompt],
    ways: Sequence[str],
    settings: TuneSettings,
    base: Pipeline | None,
    on_step: Callable[[str, int], object],
) -> list[Candidate]:
    """What the denoiser hears by each way."""
    if settings.probe is None:
        return [Candidate(way) for way in ways]
    templates = [prompt.template for prompt in prompts]
    reference = base_response(pipe, concept, templates, settings.probe, base)
    found = []
    for way in ways:
        ours = arm_response(pipe, concept, parse_arm(way), templates, settings.probe, base)
        heard = probe(ours, reference)
        found.append(Candidate(way, heard.heard.value, heard.presence.value))
        on_step("asked", 1)
    return found


def _worth_drawing(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """Those that let the context be heard, and of these the ones that leave most of the concept.

    Where fewer are heard, the best heard of the others go along.
    """
    if any(each.heard is None for each in candidates):
        return list(candidates)
    heard = [each for each in candidates if (each.heard or 0) >= HEARD]
    unheard = sorted((each for each in candidates if each not in heard), key=lambda each: -(each.heard or 0))
    heard.sort(key=lambda each: -(each.presence or 0))
    return [*heard, *unheard[: max(0, FINALISTS - len(heard))]][:count]


def _how_many(settings: TuneSettings, prompts: int) -> int:
    """How many ways can be drawn in the first round, so that the pictures suffice.

    Raises: PipelineError, where they do not for two.
    """
    for count in range(20, FINALISTS - 1, -1):
        rounds, left = [], count
        for _ in range(settings.rounds):
            rounds.append(left)
            left = max(FINALISTS, ceil(left / 2))
        if prompts * (1 + settings.rounds + sum(rounds)) <= settings.pictures:
            return count
    least = prompts * (1 + settings.rounds * (1 + FINALISTS))
    raise PipelineError(
        f"tune(): {settings.pictures} pictures are too few for {prompts} prompts and {settings.rounds} "
        f"rounds, which need {least}. Give more pictures, or fewer prompts."
    )


@dataclass(frozen=True)
class _Scale:
    """One score between its two ends: the model that has none of it, and the one that has all."""

    score: str
    none: float
    whole: float

    def share(self, value: float) -> float:
        return (value - self.none) / (self.whole - self.none)

    @property
    def empty(self) -> bool:
        """Whether the ends are one, so that there is nothing to have."""
        return self.whole - self.none < LEAST * max(abs(self.whole), abs(self.none), 1e-12)


def _scales(comparisons: Sequence[Comparison]) -> tuple[_Scale, _Scale]:
    """Of context and of likeness."""
    scores = comparisons[0].scores
    found = []
    for question, none, whole in (("context", PERSONALISED, BASE), ("likeness", BASE, PERSONALISED)):
        score = first_that_answers(question, scores)  # type: ignore[arg-type]
        if score is None:
            raise PipelineError(
                f"tune(): nothing measures the {question} of a picture. Give photos of the subject and a "
                "CLIP that scores pictures."
            )
        low, high = (_mean(arm.name, score.name, comparisons) for arm in (none, whole))
        found.append(_Scale(score.name, low, high))
    context, likeness = found
    if likeness.empty:
        raise PipelineError(
            "tune(): the photos are no more like the concept's pictures than like the base model's, so the "
            "likeness cannot be measured. Give photos of the subject that the model was taught."
        )
    return context, likeness


def _nothing_to_tune(scales: tuple[_Scale, _Scale]) -> str:
    context, _ = scales
    if context.empty:
        return "The personalised model keeps its context as the base model does: there is nothing to tune."
    return ""


def _mean(arm: str, score: str, comparisons: Sequence[Comparison]) -> float:
    return fmean(float(r.scores[score]) for each in comparisons for r in each.of(arm))


def _measured(
    candidate: Candidate, scales: tuple[_Scale, _Scale], comparisons: Sequence[Comparison]
) -> Candidate:
    name = candidate.arm.name
    count = sum(len(each.of(name)) for each in comparisons)
    if not count or scales[0].empty:
        return replace(candidate, pictures=count)
    context, likeness = (scale.share(_mean(name, scale.score, comparisons)) for scale in scales)
    return replace(candidate, pictures=count, context=context, likeness=likeness)


def _rank(candidate: Candidate, keep: Keep) -> tuple[Any, ...]:
    """By how far it came, and there by the wish."""
    if candidate.context is None or candidate.likeness is None:
        return (candidate.pictures, False, candidate.heard or 0.0)
    pair = (candidate.context, candidate.likeness)
    return (candidate.pictures, keep.met(*pair), keep.value(*pair))
