"""A plan: every picture that is wanted, as a job whose name follows from all that the picture depends on.

    job = sha256 of {base model, adapter, placeholder, anchor, arm, words, seed, settings, dtype}

So a job that is done anywhere is done, and what two arms or methods share is drawn once: the base model's
pictures do not depend on the method. Jobs are divided into batches here, and not by whoever draws, since a
picture may differ by a level in a batch of another size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from ..comparison import BASE, PERSONALISED, Arm, parse_arm, told_apart, typed_arm
from ..errors import AdjustmentError, FileFormatError, PlaceholderError
from ..models.generation import GenerationSettings
from .digests import digest, digest_of_path
from .methods import Base, Method
from .suites import Suite, SuiteConcept

__all__ = ["Batch", "Job", "Plan", "Row", "arm_called", "plan"]

NAMED = {"base": BASE, "personalised": PERSONALISED}


@dataclass(frozen=True)
class Job:
    """One picture to be drawn.

    Args:
        id: follows from ``depends``.
        depends: all that the picture depends on; no paths.
        concept: by name.
        method: by name; "" for the base model alone.
        arm: as ``arm_called`` reads it.
        text: the words that the pipeline is given.
        seed: of its noise.
        file: of a picture that others drew, where it is.
    """

    id: str
    depends: dict[str, Any] = field(hash=False, compare=False)
    concept: str
    method: str
    arm: str
    text: str
    seed: int
    file: Path | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Row:
    """What a picture stands for in the tables: several rows may share one."""

    job: str
    concept: str
    method: str
    arm: str
    prompt: str
    seed: int


@dataclass(frozen=True)
class Batch:
    """Jobs that are drawn together: of one concept, method and arm."""

    jobs: tuple[Job, ...]

    @property
    def id(self) -> str:
        """Follows from the jobs."""
        return digest([job.id for job in self.jobs])[:16]


@dataclass(frozen=True)
class Plan:
    """Everything that is wanted.

    Args:
        suite: concepts and prompts.
        base: the model.
        methods: how the concepts were taught.
        arms: how they are drawn, each as ``arm_called`` reads it.
        seeds: of every prompt.
        settings: how the pipeline is called, and how many pictures at once.
        weights: digests: of the base model under "", and of each method's adapters by concept.
    """

    suite: Suite
    base: Base
    methods: tuple[Method, ...]
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: GenerationSettings
    weights: dict[str, Any] = field(hash=False)

    @cached_property
    def named_arms(self) -> dict[str, Arm]:
        """The arms by what they are called in tables, which tells them apart."""
        return {arm.name: arm for arm in told_apart([arm_called(text) for text in self.arms])}

    @cached_property
    def _names(self) -> dict[str, str]:
        return dict(zip(self.arms, self.named_arms, strict=True))

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """By id, those together that need the same adapter."""
        return {job.id: job for job, _ in self._wanted}

    @cached_property
    def rows(self) -> list[Row]:
        """One for each concept, method, arm, prompt and seed."""
        return [row for _, row in self._wanted]

    @cached_property
    def batches(self) -> list[Batch]:
        """All jobs, in the order in which they are best drawn."""
        size, found = self.settings.batch_size, []
        alike = groupby(self.jobs.values(), lambda job: (job.method, job.concept, job.arm))
        for _, jobs in alike:
            together = tuple(jobs)
            found += [Batch(together[i : i + size]) for i in range(0, len(together), size)]
        return found

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes it this plan and no other; where files are is no part of it."""
        return {
            "suite": [
                {
                    "name": concept.name,
                    "class": concept.class_word,
                    "photos": sorted(digest_of_path(photo) for photo in concept.photos),
                    "prompts": [asdict(prompt) for prompt in concept.prompts],
                }
                for concept in self.suite.concepts
            ],
            "weights": self.weights,
            "dtype": self.base.dtype,
            "methods": [[m.key, m.kind, m.placeholder, m.anchor] for m in self.methods],
            "arms": list(self.arms),
            "seeds": list(self.seeds),
            "settings": asdict(self.settings),
        }

    @cached_property
    def _wanted(self) -> list[tuple[Job, Row]]:
        return sorted(
            self._each(), key=lambda pair: (pair[0].method, self._order[pair[0].concept], pair[0].arm)
        )

    @cached_property
    def _order(self) -> dict[str, int]:
        return {concept.name: number for number, concept in enumerate(self.suite.concepts)}

    def _each(self) -> Iterator[tuple[Job, Row]]:
        for method in self.methods:
            for concept in self.suite.concepts:
                for text in self.arms:
                    if method.kind == "images" and text != "personalised":
                        continue
                    for number, prompt in enumerate(concept.prompts):
                        for seed in self.seeds:
                            job = self._job(method, concept, text, number, seed)
                            name = method.arm or self._names[text]
                            yield job, Row(job.id, concept.name, method.name, name, prompt.asked, seed)

    def _job(self, method: Method, concept: SuiteConcept, arm: str, number: int, seed: int) -> Job:
        asked = concept.prompts[number].asked
        if method.kind == "images":
            file = method.picture_of(concept, number, seed)
            sha256 = self.weights[method.key][concept.name].get(f"{number} {seed}")
            depends = {"picture": sha256, "concept": concept.name, "prompt": asked, "seed": seed}
            if sha256 is None:
                depends["method"] = method.key
            full = concept.prompts[number].full
            return Job(digest(depends), depends, concept.name, method.key, arm, full, seed, file)
        placeholder, anchor = method.words(concept)
        drawn_by = arm_called(arm)
        words = asked.replace("{}", placeholder if drawn_by.personalised else anchor)
        depends = {
            "base": self.weights[""],
            "dtype": self.base.dtype,
            "arm": arm,
            "text": words,
            "seed": seed,
            "settings": self.settings.given(),
        }
        if drawn_by.personalised:
            depends |= {
                "adapter": self.weights[method.key][concept.name],
                "kind": method.kind,
                "placeholder": placeholder,
                "anchor": anchor,
            }
        name = method.key if drawn_by.personalised else ""
        return Job(digest(depends), depends, concept.name, name, arm, words, seed)


def arm_called(text: str) -> Arm:
    """The arm of a plan: "base", "personalised", or a way to draw such as "tea:alpha=0.2".

    Raises: AdjustmentError, for one that there is not.
    """
    return NAMED.get(text) or parse_arm(text)


def plan(
    suite: Suite,
    base: Base,
    methods: Sequence[Method],
    arms: Sequence[str | Arm],
    seeds: Sequence[int],
    settings: GenerationSettings | None = None,
) -> Plan:
    """A plan of every concept by every method in every arm, each prompt with every seed.

    Args:
        suite: concepts and prompts.
        base: the model.
        methods: how the concepts were taught; weights are read, to know them by their content.
        arms: by name or as ``Arm``; two that are alike are one.
        seeds: of every prompt.
        settings: how the pipeline is called; ``batch_size`` of them is how many pictures are drawn at once.

    Raises: FileFormatError, where weights are missing; AdjustmentError, for arms that have no name;
        PlaceholderError, for prompts without a gap that are to be drawn.
    """
    drawn = [method for method in methods if method.kind != "images"]
    if drawn:
        _check_gaps(suite)
    weights: dict[str, Any] = {"": base.digest() if drawn else None}
    for method in methods:
        weights[method.key] = {
            concept.name: _pictures(method, concept, seeds)
            if method.kind == "images"
            else digest_of_path(_there(method, concept, base))
            for concept in suite.concepts
        }
    texts = dict.fromkeys(map(_text, arms))
    return Plan(
        suite,
        base,
        tuple(methods),
        tuple(texts),
        tuple(dict.fromkeys(seeds)),
        settings or GenerationSettings(),
        weights,
    )


def _text(arm: str | Arm) -> str:
    """An arm's name in full, so that two ways of typing one arm are one."""
    for name, each in NAMED.items():
        if arm in (name, each):
            return name
    made = parse_arm(arm) if isinstance(arm, str) else arm
    try:
        return typed_arm(made)
    except AdjustmentError:
        if isinstance(arm, str):
            return "".join(arm.split())
        raise


def _there(method: Method, concept: SuiteConcept, base: Base) -> Path:
    path = method.weights_of(concept, base)
    if not path.exists():
        raise FileFormatError(
            f"The method '{method.name}' has no weights for '{concept.name}': there is nothing at '{path}'. "
            "Train it, or correct 'weights' in methods.toml."
        )
    return path


def _pictures(method: Method, concept: SuiteConcept, seeds: Sequence[int]) -> dict[str, str]:
    """The digests of others' pictures, by prompt and seed; those that are missing are left out."""
    found = {
        f"{number} {seed}": method.picture_of(concept, number, seed)
        for number in range(len(concept.prompts))
        for seed in seeds
    }
    return {key: digest_of_path(path) for key, path in found.items() if path is not None}


def _check_gaps(suite: Suite) -> None:
    for concept in suite.concepts:
        without = [prompt.asked for prompt in concept.prompts if "{}" not in prompt.asked]
        if without:
            raise PlaceholderError(
                f"{len(without)} prompts of '{concept.name}' have no gap for the subject, such as "
                f"'{without[0]}': they can be scored of pictures that others drew, not drawn. Choose "
                "concepts without such prompts."
            )
