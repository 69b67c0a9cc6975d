"""The sentences that ``diagnose`` asks about: shipped, from a file, or from an endpoint."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..components import encoders_of
from ..concept import Concept
from ..diagnosis.asked_contexts import IncompleteContextsError, ask_for_contexts
from ..diagnosis.contexts import Contexts, contexts_for, fitting, read_contexts
from ..diagnosis.prompts import token_counts
from ..errors import FileFormatError, PipelineError, UncollapseWarning
from ..output import save_text


@dataclass(frozen=True)
class AskedContexts:
    """Where the user wants them from; both None for the shipped ones.

    Args:
        file: of the user's own.
        endpoint, llm: of a language model, and its name there.
    """

    file: Path | None = None
    endpoint: str | None = None
    llm: str = "default"

    @property
    def own(self) -> bool:
        return bool(self.file or self.endpoint)


def chosen_contexts(
    pipe: Any, concept: Concept, asked: AskedContexts, shipped: Contexts | None, output: Path
) -> Contexts:
    """Sentences that every text encoder of ``pipe`` hears to the end.

    Those of a file are checked to the letter, others are left out where they are too long.

    Args:
        shipped: in place of those that the library ships.
        output: where an endpoint's are kept.
    """
    if asked.endpoint:
        found = _answered(asked.endpoint, concept.anchor, asked.llm, output)
    elif asked.file:
        found = read_contexts(asked.file, concept.anchor)
    else:
        found = shipped or contexts_for(concept.anchor)
    for name in _encoders(pipe):
        found = _heard(pipe, name, concept, found, strict=asked.file is not None)
    return found


def _encoders(pipe: Any) -> list[str]:
    try:
        return list(encoders_of(pipe, "diagnose"))
    except PipelineError:
        return []  # the denoiser can be asked all the same


def _answered(endpoint: str, anchor: str, llm: str, output: Path) -> Contexts:
    """New sentences, saved; those of an endpoint that gave too few are saved too."""
    try:
        found = ask_for_contexts(endpoint, anchor, model=llm)
    except IncompleteContextsError as error:
        if error.contexts.templates:
            saved = save_text("\n".join(error.contexts.templates) + "\n", output / "contexts.txt")
            raise FileFormatError(*error.parts, f" What came is in '{saved}'.") from error
        raise
    save_text("\n".join(found.templates) + "\n", output / "contexts.txt")
    return found


def _heard(pipe: Any, encoder: str, concept: Concept, found: Contexts, *, strict: bool) -> Contexts:
    """Those that one encoder does not cut off."""
    try:
        tokens, window = token_counts(pipe, encoder)
    except PipelineError:
        return found  # it is not measured either
    kept = fitting(found, [concept.placeholder, concept.anchor], tokens, window, strict=strict)
    if len(kept) < len(found):
        warnings.warn(
            f"{len(found) - len(kept)} of {len(found)} sentences are longer than the text encoder's {window} "
            "tokens and are left out.",
            UncollapseWarning,
            stacklevel=2,
        )
    return kept
