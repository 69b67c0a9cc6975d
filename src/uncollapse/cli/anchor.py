"""The anchor where none was given: suggested, and said aloud."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from ..errors import AnchorError, UncollapseWarning
from ..learned_embeds import read_all
from ..vocabulary.suggestions import suggest_anchors
from ..vocabulary.tables import Vocabulary
from .console import stderr


def suggested_anchor(embedding_file: str | Path, vocabularies: Mapping[str, Vocabulary]) -> str:
    """The best anchor for an embedding without one, told with its rivals.

    Raises: AnchorError, when there is none.
    """
    embedding = read_all(embedding_file)[0]
    suggestions = suggest_anchors(embedding, vocabularies)
    if not suggestions:
        raise _unknown(embedding.placeholder)
    best, *others = [f"'{each.anchor}' (cosine {each.cosine:.2f}, {each.origin})" for each in suggestions]
    also = f" Others: {', '.join(others)}." if others else ""
    stderr().print(f"Anchor: {best}.{also}", markup=False, soft_wrap=True)
    if suggestions[0].poor:
        warnings.warn(
            f"The anchor '{suggestions[0].anchor}' is no nearer to '{embedding.placeholder}' than chance. "
            "Look at the pictures, or name what it is with --anchor.",
            UncollapseWarning,
            stacklevel=2,
        )
    return suggestions[0].anchor


def anchor_within(placeholder: str) -> str:
    """The last word of "sks dog", which says what it is.

    Raises: AnchorError, when the placeholder is one word.
    """
    _, *rest = placeholder.split()
    if not rest or not rest[-1].isalpha():
        raise _unknown(placeholder)
    stderr().print(f"Anchor: '{rest[-1]}', the last word of '{placeholder}'.", markup=False, soft_wrap=True)
    return rest[-1]


def _unknown(placeholder: str) -> AnchorError:
    return AnchorError(f"What is '{placeholder}'? Give it in ordinary words with --anchor, such as dog.")
