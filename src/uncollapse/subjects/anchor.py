"""The anchor where none was given: found, and said aloud."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import AnchorError, Setting, UncollapseWarning
from ..learned_embeds import read_all
from ..vocabulary.suggestions import STATED_IN_FILE, suggest_anchors
from ..vocabulary.tables import Vocabulary

__all__ = ["Note", "anchor_within", "suggested_anchor"]

Note = str | UncollapseWarning


def suggested_anchor(
    embedding_file: str | Path, vocabularies: Mapping[str, Vocabulary], *, by_chance: bool = True
) -> tuple[str, tuple[Note, ...]]:
    """The best anchor for an embedding without one, and notes: its rivals, and whether it is a poor one.

    Args:
        vocabularies: of the model it was trained for, with tokenizers.
        by_chance: whether one that the file does not state may be no nearer than chance. What is written to
            a file for good asks for more than pictures do.

    Raises: AnchorError, when there is none.
    """
    embedding = read_all(embedding_file)[0]
    suggestions = suggest_anchors(embedding, vocabularies)
    if not suggestions:
        raise _unknown(embedding.placeholder)
    best, *others = [f"'{each.anchor}' (cosine {each.cosine:.2f}, {each.origin})" for each in suggestions]
    if suggestions[0].poor and suggestions[0].origin != STATED_IN_FILE and not by_chance:
        raise _only_chance(embedding.placeholder, [best, *others])
    also = f" Others: {', '.join(others)}." if others else ""
    notes: list[Note] = [f"Anchor: {best}.{also}"]
    if suggestions[0].poor:
        notes.append(_poor(suggestions[0].anchor, embedding.placeholder))
    return suggestions[0].anchor, tuple(notes)


def _only_chance(placeholder: str, found: list[str]) -> AnchorError:
    return AnchorError(
        f"What is '{placeholder}'? No word is nearer to it than chance: {', '.join(found)}. Say it with ",
        Setting("anchor"),
        ".",
    )


def _poor(anchor: str, placeholder: str) -> UncollapseWarning:
    return UncollapseWarning(
        f"The anchor '{anchor}' is no nearer to '{placeholder}' than chance. Look at the pictures, or name "
        "what it is with ",
        Setting("anchor"),
        ".",
    )


def anchor_within(placeholder: str) -> tuple[str, tuple[Note, ...]]:
    """The last word of "sks dog", which says what it is, and a note that it was taken.

    Raises: AnchorError, when the placeholder is one word.
    """
    _, *rest = placeholder.split()
    if not rest or not rest[-1].isalpha():
        raise _unknown(placeholder)
    return rest[-1], (f"Anchor: '{rest[-1]}', the last word of '{placeholder}'.",)


def _unknown(placeholder: str) -> AnchorError:
    return AnchorError(
        f"What is '{placeholder}'? Give it in ordinary words with ", Setting("anchor"), ", such as dog."
    )
