"""Which options of ``diagnose`` mean nothing to what it was given: none is passed over in silence."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from ..comparison import MEASURES
from ..errors import UncollapseWarning
from .typed import Typed

__all__ = ["Kind", "say_what_is_passed_over"]

Kind = Literal["files", "model", "training"]

ADJUSTMENT = "such an adjustment is tried with --arm tea:alpha=0.3,beta=1"
IN_VAIN: Mapping[Kind, Mapping[str, Collection[str]]] = {
    "files": {
        "a file is only compared with words": [
            "lora", "embedding", "custom_diffusion", "base", "placeholder", "contexts", "contexts_from_llm",
            "llm", "arm", "preset", "anyway", "probe", "paper", "device", "dtype",
        ],
    },
    "model": {
        "it is for embedding files, and the model is what is diagnosed": ["model", "tokenizer"],
        ADJUSTMENT: ["alpha", "beta"],
    },
    "training": {
        "a training's folder says itself what it holds": [
            "lora", "embedding", "custom_diffusion", "placeholder", "anchor", "tokenizer",
        ],
        ADJUSTMENT: ["alpha", "beta"],
        "a preset was measured with one checkpoint; diagnose that with it": ["preset", "anyway"],
        "at every checkpoint the denoiser is asked, and of the text the curves are drawn": ["probe", "paper"],
    },
}  # fmt: skip


def say_what_is_passed_over(kind: Kind, given: Typed, *, own: bool = False) -> None:
    """Warn of every option that was typed and changes nothing.

    Args:
        kind: of what is diagnosed.
        given: what was typed.
        own: whether a miniature is diagnosed with its own concept.
    """
    for reason, names in [*IN_VAIN[kind].items(), *_in_this_company(kind, given, own)]:
        flags = [given[name][0] for name in names if name in given]
        if flags:
            text = f"{', '.join(flags)}: passed over, since {reason}."
            warnings.warn(text, UncollapseWarning, stacklevel=2)


def _in_this_company(kind: Kind, given: Typed, own: bool) -> Iterable[tuple[str, Collection[str]]]:
    """Those that another option, or the lack of one, takes the meaning from."""
    measures = [name.replace("-", "_") for name in MEASURES]
    if "images" not in given:
        yield "without --images nothing is drawn", ["references", "steps", "guidance", *measures]
        if kind == "model" and given.get("probe") == ("--no-probe",):
            yield "with --no-probe and without --images nothing is asked or drawn", ["arm", "preset"]
    elif kind == "training" and not own and not _looks_at_photos(given):
        yield "no measure looks at them: name one, such as --clip", ["references"]
    if kind == "model" and "preset" not in given:
        yield "no --preset is given", ["anyway"]
    if kind != "files" and "contexts_from_llm" in given:
        yield "the sentences are those of --contexts-from-llm", ["contexts"]
    elif kind != "files":
        yield "no endpoint is named with --contexts-from-llm", ["llm"]
    if kind == "training" and "model" in given:
        yield "--model names the base model", ["base"]
    if kind == "model" and own and "base" not in given:
        yield "a miniature with its own concept runs in float32 on the CPU", ["device", "dtype"]


def _looks_at_photos(given: Typed) -> bool:
    return any(
        name.replace("-", "_") in given and "references" in each.needs | each.uses
        for name, each in MEASURES.items()
    )
