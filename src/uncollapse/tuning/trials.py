"""Trying the ways of a family on one concept: first the denoiser is asked, then pictures are drawn.

1  The probe (``diagnosis.probe``) says of each way how much of the context is heard. What leaves the
   context unheard is dropped without a picture; of the rest those go on that leave most of the concept.
2  These draw the same few prompts with the same noise, a seed a round; then the worse half is dropped.
3  Of those that are left, the wish (``Keep``) chooses; and of those that the pictures do not tell from the
   best (``shares``) the first in the family, so that chance decides as little as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
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
from ..models.generation import GenerationSettings
from ..pipelines import level_of
from .family import family
from .keep import Keep
from .preset import Preset, fingerprints
from .shares import Scales, close, scales

__all__ = ["Candidate", "TuneSettings", "Tuned", "tune", "tuning"]

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
        close: whether it is the best or hardly told from it, by as many pictures as that has.
    """

    way: str
    heard: float | None = None
    presence: float | None = None
    pictures: int = 0
    context: float | None = None
    likeness: float | None = None
    close: bool = False

    @property
    def arm(self) -> Arm:
        return parse_arm(self.way)

    @property
    def by_text(self) -> bool:
        """Whether it changes what the denoiser is told, and not the denoiser."""
        return self.arm.denoiser_lora == 1


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
        comparisons = (*known.comparisons, drawn)
        measured_by = scales(comparisons)
        in_order = sorted(known.candidates, key=lambda each: ways.index(each.way))
        known = replace(
            known,
            candidates=tuple(
                _ranked([_measured(each, measured_by) for each in in_order], measured_by, settings.keep)
            ),
            comparisons=comparisons,
            says=_nothing_to_tune(measured_by),
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
    """Those that let the context be heard: the family's first, then the ones that leave most of the concept.

    Where no change of the text makes it heard, the best of these go along with all that turns the denoiser
    down, to show by how much.
    """
    if any(each.heard is None for each in candidates):
        return list(candidates)
    by_heard = sorted(candidates, key=lambda each: -(each.heard or 0))
    heard = [each for each in candidates if (each.heard or 0) >= HEARD]
    if not any(each.by_text for each in heard):
        of_text = [each for each in by_heard if each.by_text][:FINALISTS]
        return [*of_text, *(each for each in candidates if not each.by_text)][:count]
    rest = sorted(heard[1:], key=lambda each: -(each.presence or 0))
    more = [each for each in by_heard if each not in heard]
    return [heard[0], *rest, *more[: max(0, FINALISTS - len(heard))]][:count]


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


def _nothing_to_tune(measured_by: Scales) -> str:
    context, _ = measured_by
    if not context.empty:
        return ""
    return (
        "The personalised model keeps its context as the base model does "
        f"({context.score.title} {context.written(PERSONALISED.name)} and {context.written(BASE.name)}): "
        "there is nothing to tune."
    )


def _measured(candidate: Candidate, measured_by: Scales) -> Candidate:
    name = candidate.arm.name
    context, likeness = measured_by
    count = sum(len(each.of(name)) for each in context.comparisons)
    if not count or context.empty:
        return replace(candidate, pictures=count)
    return replace(candidate, pictures=count, context=context.share(name), likeness=likeness.share(name))


def _ranked(candidates: Sequence[Candidate], measured_by: Scales, keep: Keep) -> list[Candidate]:
    """Those that drew most first, and among these the ones that grant the wish, by its value.

    What is close to the best stands at the head, in the order of ``candidates``, which is the family's.
    """

    def value(each: Candidate) -> float:
        return keep.value(each.context or 0.0, each.likeness or 0.0)

    def met(each: Candidate) -> bool:
        return keep.met(each.context or 0.0, each.likeness or 0.0)

    measured = [each for each in candidates if each.context is not None]
    if not measured:
        return sorted(candidates, key=lambda each: (-each.pictures, -(each.heard or 0.0)))
    best = max(measured, key=lambda each: (each.pictures, met(each), value(each)))
    beside = [each for each in measured if (each.pictures, met(each)) == (best.pictures, met(best))]
    near = {each.way for each in beside if close(each.arm.name, best.arm.name, measured_by, keep.value)}

    def place(each: Candidate) -> tuple[Any, ...]:
        if each.context is None:
            return (0, True, True, -(each.heard or 0.0))
        is_near = each.way in near
        return (-each.pictures, not met(each), not is_near, 0.0 if is_near else -value(each))

    return [replace(each, close=each.way in near) for each in sorted(candidates, key=place)]
