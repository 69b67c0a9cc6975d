"""A preset: what tuning found for a concept, in a JSON that Python and the commands read.

    placeholder, anchor, …    the concept, as ``Concept`` has it, but for its adjuster
    way                       "tea:alpha=0/1/1,beta=1", as ``--arm`` takes it
    fits                      fingerprints of the adapters and learned rows that it was measured with
    measured                  what it rests on; for people

A strength measured on one LoRA says nothing of another, so a preset is refused where the adapters differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from ..adjusters import Adjuster
from ..admission import json_from, text_from
from ..comparison import Arm, parse_arm
from ..components import Pipeline, adapter_tensors, token_table, tokens_and_encoders
from ..concept import Concept
from ..errors import FileFormatError, PipelineError, UncollapseError
from ..output import save_json
from ..placeholders import learned_tokens

__all__ = ["Preset", "fingerprints", "read_preset"]

KIND = "uncollapse preset"
TOLERANCE = 0.01  # of the length of the weights


@dataclass(frozen=True)
class Preset:
    """How to adjust one concept of one model.

    Args:
        concept: its placeholder, its anchor, and who encodes what; its adjuster is not used.
        way: how, as ``comparison.parse_arm`` reads it.
        fits: ``fingerprints`` of what it was measured with.
        measured: what it rests on, for people to read.
    """

    concept: Concept
    way: str
    fits: Mapping[str, Sequence[float]] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arm(self) -> Arm:
        """The way to draw."""
        return parse_arm(self.way)

    @property
    def adjuster(self) -> Adjuster | None:
        """What changes vectors; None for a way that changes none, such as a LoRA turned down."""
        return self.arm.adjuster

    @contextmanager
    def applied(self, pipe: Pipeline, base: Any = None, *, anyway: bool = False) -> Iterator[Pipeline]:
        """The context in which the pipeline draws by this preset; it is left as it was found.

        Args:
            pipe: with the concept in it.
            base: a pipeline that was never fine-tuned; None for ``pipe`` with its adapters off.
            anyway: whether other adapters will do.

        Raises: PipelineError, for other adapters; what ``apply`` raises.
        """
        if not anyway:
            self.check(pipe)
        with self.arm.drawing(pipe, self.concept, base) as drawer:
            yield drawer

    def check(self, pipe: Pipeline) -> None:
        """Raise PipelineError, unless the pipeline has the adapters that the preset was measured with."""
        found = fingerprints(pipe, self.concept)
        names = {*self.fits, *found}
        differ = sorted(name for name in names if not _alike(self.fits.get(name), found.get(name)))
        if differ:
            raise PipelineError(
                f"this preset was measured with other weights ({', '.join(differ)} differ), so its strength "
                "may not fit. Tune again, or pass anyway=True."
            )

    def save(self, path: str | Path) -> Path:
        """Write it.

        Raises: OutputError.
        """
        concept = {each: getattr(self.concept, each) for each in CONCEPT}
        data = {"kind": KIND, **concept, "way": self.way, "fits": dict(self.fits)}
        return save_json(data | {"measured": dict(self.measured)}, Path(path))


CONCEPT = tuple(each.name for each in fields(Concept) if each.name != "adjuster")


def read_preset(path: str | Path) -> Preset:
    """A preset from its file.

    Raises: FileFormatError, for a file that is none, or was written for ways that this version does not know.
    """
    path = Path(path)
    try:
        data = json_from(text_from(path))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path}: cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise FileFormatError(f"{path}: is no preset. Give the preset.json that uncollapse tune wrote.")
    try:
        texts: dict[str, Any] = {each: str(data[each]) for each in CONCEPT if each in data}
        fits = {name: [float(x) for x in numbers] for name, numbers in data["fits"].items()}
        way, measured = str(data["way"]), dict(data.get("measured", {}))
        preset = Preset(Concept(**texts), way, fits, measured)
        _ = preset.arm  # known here, with settings in range
    except (AttributeError, KeyError, TypeError, ValueError, UncollapseError) as error:
        raise FileFormatError(f"{path}: is a damaged preset: {error}") from error
    return preset


def fingerprints(pipe: Pipeline, concept: Concept) -> dict[str, list[float]]:
    """What personalises a pipeline, in numbers: the adapters of each part, the concept's learned rows."""
    found = {name: _in_numbers(tensors) for name, tensors in adapter_tensors(pipe).items()}
    for i, (tokenizer, encoder) in enumerate(tokens_and_encoders(pipe)):
        names = learned_tokens(tokenizer, concept.placeholder)
        if names:
            rows = token_table(encoder, "Preset()", "its learned rows cannot be read.")[
                tokenizer.convert_tokens_to_ids(names)
            ]
            found[f"learned rows{f' {i + 1}' if i else ''}"] = _in_numbers({"": rows})
    return found


def _in_numbers(tensors: Mapping[str, torch.Tensor]) -> list[float]:
    """Three numbers: the length of all the weights together, and what they are along two fixed directions.

    Rounding to another precision moves them by thousandths of the length, another training by all of it.
    """
    length, along = 0.0, [0.0, 0.0]
    for _, tensor in sorted(tensors.items()):
        values = tensor.detach().flatten().to("cpu", torch.float64)
        length += values.square().sum().item()
        places = torch.arange(len(values), dtype=torch.float64)
        for i in range(2):
            along[i] += (values * torch.cos((i + 1) * places)).sum().item()
    return [length**0.5, *along]


def _alike(one: Sequence[float] | None, other: Sequence[float] | None) -> bool:
    if one is None or other is None or len(one) != len(other):
        return False
    room = TOLERANCE * max(abs(one[0]), abs(other[0]))
    return all(abs(a - b) <= room for a, b in zip(one, other, strict=True))
