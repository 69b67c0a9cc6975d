"""Scoring: what the pictures of a run are worth, by the scores of profiles.

    figure(x) = scale(cos(f(x), g(text)))                      of a text
    figure(x) = mean over photos r of scale(cos(f(x), f(r)))   of photos, all of them or one

A figure is computed once for a picture and what it is compared with. A picture that cannot be read, and a
concept without photos, have rows without a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from ..errors import FileFormatError, Setting, UncollapseWarning
from ..subjects import Bundled, bundled, chosen_miniature, miniature_called
from .cell_files import NAME, write_cells
from .digests import digest, digest_of_path
from .features import Eye, Features, clip_eye, eye, opened, unreadable
from .profiles import Profile, ProfileScore, Scale
from .run import FEATURES, SCORES, Run
from .store import keep_rows
from .suites import SuiteConcept, SuitePrompt

__all__ = ["Ceiling", "Scored", "identity", "score"]

Models = Mapping[str, Sequence[str | Path]]
JUDGED = ("context_kept", "identity_kept")


@dataclass(frozen=True)
class Ceiling:
    """What likeness there is among the photos themselves, of one concept.

    Args:
        concept: by name.
        score: its whole identity.
        value: the mean over the photos, each compared with the others.
        nearer: pictures that are nearer to a photo than any two photos are to each other: copies, it may be.
    """

    concept: str
    score: str
    value: float
    nearer: tuple[str, ...]


@dataclass(frozen=True)
class Scored:
    """What scoring left.

    Args:
        scores: the identities of the scores that were measured.
        figures: how many there are.
        errors: why figures are missing, each with how many.
        ceilings: of the scores of photos.
    """

    scores: tuple[str, ...]
    figures: int
    errors: dict[str, int]
    ceilings: tuple[Ceiling, ...]


@dataclass(frozen=True)
class _Asked:
    """A picture and what it was to show."""

    picture: str
    file: Path
    concept: SuiteConcept
    prompt: SuitePrompt


def score(
    run: Run,
    profiles: Sequence[Profile],
    models: Models,
    *,
    on_images: Callable[[int], object] = lambda count: None,
    warn: Callable[[UncollapseWarning], object] = lambda warning: None,
) -> Scored:
    """Measure all pictures of a run that are drawn, and keep the figures in its folder, as cells too.

    Args:
        run: whose pictures.
        profiles: what is measured.
        models: the user's folders, by option: "clip", "dino", "siglip".
        on_images: told how many pictures a model has just looked at.
        warn: told of what is doubtful.

    Raises: FileFormatError, where a model is missing or is none, where one is used by no profile, and where
        nothing is drawn.
    """
    asked = list(_asked(run))
    if not asked:
        raise FileFormatError(f"Nothing is drawn in '{run.folder}'. Begin with: uncollapse evaluate draw")
    _check_used(profiles, models, run)
    rows: dict[str, list[dict[str, Any]]] = {}
    ceilings: list[Ceiling] = []
    looking: dict[tuple[str, str], Features] = {}
    for profile in profiles:
        own = _miniature(run) if profile.name == "uncollapse" else None
        for each in profile.scores:
            sees = (
                _miniature_eye(own) if own else eye(each.encoder, models.get(each.encoder.option, ()), warn)
            )
            key = (sees.model, sees.seen_as)
            features = looking.setdefault(key, Features(sees, run.folder / FEATURES, on_images))
            name = identity(each, sees)
            rows[name] = _compared(each, name, features, asked)
            ceilings += _ceilings(each, name, features, asked)
        if own:
            rows |= _judged(own, asked)
    for name, found in rows.items():
        keep_rows(found, run.folder / SCORES / f"{digest(name)[:16]}.jsonl")
    write_cells(run.cells(), run.folder / NAME)
    every = [row for found in rows.values() for row in found]
    missing = [row["error"] for row in every if row["error"]]
    counted = {text: missing.count(text) for text in dict.fromkeys(missing)}
    return Scored(tuple(rows), len(every) - len(missing), counted, tuple(ceilings))


def identity(score: ProfileScore, sees: Eye) -> str:
    """All that a figure depends on, in a line."""
    return f"{score.name}|{sees.model}|{sees.seen_as}|{score.scale}|{score.against}|mean"


def _asked(run: Run) -> Iterable[_Asked]:
    """Each picture with each prompt that it was drawn for, once."""
    concepts = {concept.name: concept for concept in run.plan.suite.concepts}
    prompts = {(c.name, p.asked): p for c in concepts.values() for p in c.prompts}
    pictures, seen = run.pictures(), set()
    for row in run.plan.rows:
        picture, key = pictures.get(row.job), (row.job, row.concept, row.prompt)
        if picture and key not in seen:
            seen.add(key)
            yield _Asked(
                picture, run.folder / picture, concepts[row.concept], prompts[row.concept, row.prompt]
            )


def _check_used(profiles: Sequence[Profile], models: Models, run: Run) -> None:
    used = {
        each.encoder.option
        for profile in profiles
        for each in profile.scores
        if profile.name != "uncollapse" or _miniature(run) is None
    }
    for option, folders in models.items():
        if folders and option not in used:
            raise FileFormatError(
                Setting(option),
                f" is used by none of {', '.join(profile.name for profile in profiles)}. Leave it out, or "
                "add a profile with ",
                Setting("profile"),
                ".",
            )


def _compared(
    score: ProfileScore, name: str, features: Features, asked: Sequence[_Asked]
) -> list[dict[str, Any]]:
    seen = features.of([each.file for each in asked])
    targets = _Targets(score, features, asked)
    rows = []
    for each in asked:
        others, error = targets.of(each), ""
        if each.file not in seen:
            error = features.errors[each.file]
        elif others is None:
            error = "the concept has no photos"
        value = None
        if not error:
            assert others is not None
            cosines = cosine_similarity(seen[each.file][None], others, dim=-1)
            value = _scaled(cosines, score.scale, features.eye).mean().item()
        rows.append(_row(name, each, value, error))
    return rows


def _row(score: str, asked: _Asked, value: float | None, error: str) -> dict[str, Any]:
    return {
        "score": score,
        "picture": asked.picture,
        "concept": asked.concept.name,
        "prompt": asked.prompt.asked,
        "value": value,
        "error": error,
    }


class _Targets:
    """What pictures are compared with, as features: a text of their prompt, or photos of their concept."""

    def __init__(self, score: ProfileScore, features: Features, asked: Sequence[_Asked]) -> None:
        kind, _, what = score.against.partition("=")
        self.what = what if kind == "text" else ""
        self.photos: dict[str, Tensor] = {}
        self.texts: dict[str, Tensor] = {}
        if self.what:
            texts = list(dict.fromkeys(self._text(each.prompt) for each in asked))
            self.texts = dict(zip(texts, features.eye.texts(texts).float().cpu(), strict=True))
        else:
            for concept in {each.concept.name: each.concept for each in asked}.values():
                photos = concept.photos if what == "all" else tuple(filter(None, [concept.one_photo]))
                if found := list(features.of(photos).values()):
                    self.photos[concept.name] = torch.stack(found)

    def of(self, asked: _Asked) -> Tensor | None:
        if self.what:
            return self.texts[self._text(asked.prompt)][None]
        return self.photos.get(asked.concept.name)

    def _text(self, prompt: SuitePrompt) -> str:
        return {
            "context": prompt.context,
            "concept": prompt.concept,
            "full": prompt.full,
            "full.": f"{prompt.full.rstrip('.')}.",
            "published": prompt.as_published,
        }[self.what]


def _scaled(cosines: Tensor, scale: Scale, sees: Eye) -> Tensor:
    if scale == "100sigmoid":
        return 100 * sees.logit(cosines).sigmoid()
    factor, clamped, _ = scale.partition("max0")
    return float(factor.removesuffix("cos")) * (cosines.clamp(min=0) if clamped else cosines)


def _ceilings(
    score: ProfileScore, name: str, features: Features, asked: Sequence[_Asked]
) -> Iterable[Ceiling]:
    """Of each concept with several photos; of texts there are none."""
    if score.against.startswith("text"):
        return
    for concept in {each.concept.name: each.concept for each in asked}.values():
        photos = normalize(
            torch.stack(list(features.of(concept.photos).values()) or [torch.zeros(1)]), dim=-1
        )
        if len(photos) < 2:
            continue
        cosines = photos @ photos.T
        others = cosines[~torch.eye(len(photos), dtype=torch.bool)]
        own = {each.file: each.picture for each in asked if each.concept is concept}
        seen = features.of(list(own))
        nearest = {
            own[file]: (normalize(row[None], dim=-1) @ photos.T).max().item() for file, row in seen.items()
        }
        nearer = tuple(sorted(picture for picture, cosine in nearest.items() if cosine > others.max().item()))
        value = _scaled(others, score.scale, features.eye).mean().item()
        yield Ceiling(concept.name, name, value, nearer)


def _miniature(run: Run) -> dict[str, Bundled] | None:
    """What the miniature knows of each concept, where the suite is its world."""
    if run.plan.suite.name != "bundled":
        return None
    called = run.plan.base.model
    miniature = chosen_miniature(called if called and miniature_called(called) else None)
    return {concept.name: bundled(concept.name, miniature) for concept in run.plan.suite.concepts}


def _miniature_eye(own: Mapping[str, Bundled]) -> Eye:
    first = next(iter(own.values()))
    sha256 = digest_of_path(first.miniature.folder / "clip")[:12]
    return clip_eye(
        first.scorer(), f"CLIP of {first.miniature.title}@{sha256}", "as it was trained|projection"
    )


def _judged(own: Mapping[str, Bundled], asked: Sequence[_Asked]) -> dict[str, list[dict[str, Any]]]:
    """Context and likeness kept, yes or no, as the miniature's judge reads the pictures."""
    first = next(iter(own.values())).miniature
    weights = digest_of_path(first.folder / "judge.safetensors")[:12]
    judge = f"judge of {first.title}@{weights}|64x64lanczos|reading|yes or no|asked|mean"
    names = {name: f"{name}|{judge}" for name in JUDGED}
    rows: dict[str, list[dict[str, Any]]] = {full: [] for full in names.values()}
    reads = first.judge().read
    for each in asked:
        answers, error = _answers(own[each.concept.name], reads, each)
        for name, full in names.items():
            rows[full].append(_row(full, each, answers.get(name), error))
    return rows


def _answers(
    own: Bundled, reads: Callable[[list[Any]], Sequence[Any]], asked: _Asked
) -> tuple[dict[str, float], str]:
    """What the judge says of a picture, 1 for yes; or why nothing."""
    try:
        [reading] = reads([opened(asked.file)])
    except (OSError, SyntaxError, ValueError) as error:
        return {}, unreadable(error)
    prompt: Any = next(each for each in own.prompts() if each.template == asked.prompt.asked)
    kept = (prompt.kept(reading), own.personal.matches(reading))
    return dict(zip(JUDGED, map(float, kept), strict=True)), ""
