"""Who looks at the pictures of a comparison and gives them scores: CLIP, and a judge where there is one.

A measure maps images and the prompts they were asked for to a dictionary of scores an image. Numbers are
averaged over seeds, yes/no scores counted. The names are those declared in ``metrics.scores``.

A measure that is declared here is offered by the commands, as an option of its name:

    @declared("warmth", gives=("warmth",), help="Measure how warm the colours are")
    def warmth(given: Given) -> Measure:
        return lambda images, prompts: [{"warmth": kelvin(image)} for image in images]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..errors import PipelineError
from ..metrics import ClipScorer, clip_i, clip_t
from .prompts import ContextPrompt
from .records import Value

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "MEASURES",
    "ClipMeasure",
    "DeclaredMeasure",
    "Given",
    "Measure",
    "clip_measure",
    "declared",
    "judge_measure",
    "middle_measure",
    "named_measures",
]

Measure = Callable[[Sequence["Image"], Sequence[ContextPrompt]], list[dict[str, Value]]]
"""Images, each opened when it is looked at, and their prompts, to a dictionary of scores an image."""

Need = Literal["model", "references", "judge", "matches"]
NEEDED: dict[Need, str] = {
    "model": "a model",
    "references": "photos of the subject",
    "judge": "a judge of the pictures",
    "matches": "an individual to recognise",
}


@dataclass(frozen=True)
class Given:
    """What a measure can be made from.

    Args:
        anchor: what the subject is, in ordinary words.
        references: photos of the subject.
        model: a folder or hub id that the user named.
        judge: maps images to readings of what is in them.
        matches: whether a reading shows the individual.
    """

    anchor: str
    references: Sequence[Image] = ()
    model: str = ""
    judge: Callable[[Sequence[Image]], Sequence[Any]] | None = None
    matches: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class DeclaredMeasure:
    """A measure that can be asked for by name.

    Args:
        name: what commands call it.
        gives: the names of its scores, each declared in ``metrics.scores``.
        help: what it does, as the beginning of a sentence; of its model, where it needs one.
        make: makes it of what is given.
        needs: what has to be given; the anchor always is.
        uses: what it takes beside that, if it is there.
    """

    name: str
    gives: tuple[str, ...]
    help: str
    make: Callable[[Given], Measure]
    needs: frozenset[Need] = frozenset()
    uses: frozenset[Need] = frozenset()

    @property
    def offered(self) -> bool:
        """Whether a user can give all that it needs, a model and photos, so that it can be an option."""
        return self.needs <= {"model", "references"}

    def of(self, given: Given) -> Measure:
        """The measure itself.

        Raises: PipelineError, where something that it needs is not there; what ``make`` raises.
        """
        missing = [words for need, words in NEEDED.items() if need in self.needs and not getattr(given, need)]
        if missing:
            raise PipelineError(f"The measure {self.name} needs {' and '.join(missing)}, and was given none.")
        return self.make(given)

    def source(self, given: Given, by: str = "") -> str:
        """Whose figures they are: the model, or ``by``, and how many photos."""
        who, photos = by or given.model or self.name, len(given.references)
        with_photos = photos and "references" in self.needs | self.uses
        return f"{who}, {photos} photo{'s' * (photos > 1)}" if with_photos else who


MEASURES: dict[str, DeclaredMeasure] = {}
"""By name, in the order of the options."""

Make = Callable[[Given], Measure]


def declared(
    name: str, *, gives: Sequence[str], help: str, needs: Sequence[Need] = (), uses: Sequence[Need] = ()
) -> Callable[[Make], Make]:
    """Make a measure known by the function that makes it. A decorator.

    Args:
        name: what commands call it.
        gives: the names of its scores, each declared in ``metrics.scores``.
        help: what it does, as the beginning of a sentence; of its model, where it needs one.
        needs: what has to be given; the anchor always is.
        uses: what it takes beside that, if it is there.
    """

    def known(make: Make) -> Make:
        MEASURES[name] = DeclaredMeasure(name, tuple(gives), help, make, frozenset(needs), frozenset(uses))
        return make

    return known


def named_measures(asked: Mapping[str, str | bool], given: Given) -> dict[str, Measure]:
    """Those that somebody asked for, made.

    Args:
        asked: by name, the model of one that needs a model, else True.
        given: all but the models.

    Raises: PipelineError, FileFormatError.
    """
    return {
        name: MEASURES[name].of(replace(given, model=model if isinstance(model, str) else ""))
        for name, model in asked.items()
        if model
    }


@declared(
    "clip",
    gives=("clip_t_context", "clip_t_concept", "clip_t_full", "clip_i"),
    needs=("model",),
    uses=("references",),
    help="CLIP folder or hub id that scores the images",
)
def _clip(given: Given) -> Measure:
    return clip_measure(ClipScorer.from_pretrained(given.model), given.anchor, given.references)


@declared(
    "judge",
    gives=("context_kept", "identity_kept"),
    needs=("judge", "matches"),
    help="A judge who reads off the pictures what is in them",
)
def _judge(given: Given) -> Measure:
    assert given.judge is not None
    assert given.matches is not None
    return judge_measure(given.judge, given.matches)


class ClipMeasure:
    """What ``clip_measure`` makes; its ``scorer`` is the model that looks."""

    def __init__(self, scorer: ClipScorer, anchor: str, reference_images: Sequence[Image] = ()) -> None:
        self.scorer, self.anchor = scorer, anchor
        self.reference_features = scorer.image_features(reference_images) if reference_images else None

    def __call__(self, images: Sequence[Image], prompts: Sequence[ContextPrompt]) -> list[dict[str, Value]]:
        features = self.scorer.image_features(images)
        texts = {
            "clip_t_context": [prompt.context for prompt in prompts],
            "clip_t_concept": [self.anchor] * len(prompts),
            "clip_t_full": [prompt.template.replace("{}", self.anchor) for prompt in prompts],
        }
        columns = {name: clip_t(features, self.scorer.text_features(of)) for name, of in texts.items()}
        if self.reference_features is not None:
            columns["clip_i"] = clip_i(features, self.reference_features)
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, map(float, row), strict=True)) for row in rows]


def clip_measure(scorer: ClipScorer, anchor: str, reference_images: Sequence[Image] = ()) -> ClipMeasure:
    """CLIP-T for context, concept and full prompt, and CLIP-I where reference photos are given.

    In the full prompt the placeholder is replaced by ``anchor``, its class word, which CLIP knows.
    Source: arXiv:2506.22685, section 5.
    """
    return ClipMeasure(scorer, anchor, reference_images)


def middle_measure(scorer: ClipScorer, reference_images: Sequence[Image]) -> Measure:
    """CLIP-I of the middle, half as wide and half as high: of the subject, rather than of what is around it.

    The photos of a concept share their place, and a collapsed picture shows it. Over the whole picture that
    counts for more than the individual does.
    """
    reference_features = scorer.image_features([_middle(image) for image in reference_images])

    def measure(images: Sequence[Image], prompts: Sequence[ContextPrompt]) -> list[dict[str, Value]]:
        features = scorer.image_features([_middle(image) for image in images])
        return [{"clip_i_middle": float(score)} for score in clip_i(features, reference_features)]

    return measure


def _middle(image: Image) -> Image:
    width, height = image.size
    return image.crop((width // 4, height // 4, width - width // 4, height - height // 4))


def judge_measure(
    judge: Callable[[Sequence[Image]], Sequence[Any]], matches: Callable[[Any], bool]
) -> Measure:
    """Context and identity kept, yes or no, as a judge of the images reads them.

    Args:
        judge: maps images to readings; the prompts' own ``kept(reading)`` decides on the context.
        matches: whether a reading shows the individual.
    """

    def measure(images: Sequence[Image], prompts: Sequence[Any]) -> list[dict[str, Value]]:
        readings = judge(images)
        return [
            {"context_kept": bool(prompt.kept(reading)), "identity_kept": bool(matches(reading))}
            for prompt, reading in zip(prompts, readings, strict=True)
        ]

    return measure
