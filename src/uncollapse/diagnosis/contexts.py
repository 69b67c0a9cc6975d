"""Contexts: sentences around a class word, which P_V* and P_c are made of.

Two hundred each ship for people, animals, objects and relations, in ``contexts/``, a sentence a line, ``{}``
where the subject goes. A file of your own may write the class word itself in its place, which must be there
exactly once: not at all, and the sentence says nothing of the concept; twice, and half of it stays behind.

    contexts_for("dog")                 the shipped sentences about animals
    read_contexts(path, "dog")          your own, checked line by line
    fitting(contexts, subjects, …)      without those that a text encoder would cut off
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..admission import text_from
from ..errors import FileFormatError, Setting
from ..placeholders import mentions, substitute

__all__ = ["KINDS", "Contexts", "contexts_for", "fitting", "read_contexts", "shipped"]

KINDS = ("animals", "objects", "people", "relations")
FOLDER = Path(__file__).parent / "contexts"
FEWEST = 8  # of fewer sentences, no interval over contexts means anything
LONGEST = 4 * 2**20  # bytes of a file of sentences
SHOWN = 5  # lines named in an error


@dataclass(frozen=True)
class Contexts:
    """Sentences with a slot.

    Args:
        templates: each with one ``{}``.
        lines: where each stands in its file.
        source: the file, or the kind of the shipped ones.
    """

    templates: tuple[str, ...]
    lines: tuple[int, ...]
    source: str

    def __len__(self) -> int:
        return len(self.templates)

    def about(self, subject: str) -> list[str]:
        """The sentences with ``subject`` in them."""
        return [template.replace("{}", subject) for template in self.templates]

    def first(self, count: int) -> Contexts:
        """``count`` of them, evenly spread over the file, which is sorted by kind of sentence."""
        count = min(count, len(self))
        return self._only(i * len(self) // count for i in range(count))

    def _only(self, keep: Iterable[int]) -> Contexts:
        keep = list(keep)
        templates, lines = tuple(self.templates[i] for i in keep), tuple(self.lines[i] for i in keep)
        return Contexts(templates, lines, self.source)


def shipped(kind: str) -> Contexts:
    """The 200 sentences of a kind: "animals", "objects", "people", "relations"."""
    path = FOLDER / f"{kind}.txt"
    numbered = [(n, line) for n, line in _lines(path) if not line.startswith("#")]
    return Contexts(tuple(line for _, line in numbered), tuple(n for n, _ in numbered), kind)


def contexts_for(anchor: str) -> Contexts:
    """The shipped sentences that suit an anchor, by the words at the head of each file; else objects'.

    Sentences that mention the anchor besides ("a cat {} a dog", about a dog) are left out.
    """
    if anchor in _words("relations"):
        kind = "relations"
    else:
        own = set(anchor.lower().split())
        kind = next((each for each in KINDS if own & set(_words(each))), "objects")
    contexts = shipped(kind)
    return contexts._only(i for i, text in enumerate(contexts.templates) if not mentions(text, anchor))


def read_contexts(path: str | Path, anchor: str) -> Contexts:
    """A text file of sentences, one a line, each with ``{}`` or the class word exactly once.

    Empty lines, and those that begin with ``#``, are passed over.

    Raises: FileFormatError, naming the lines that lack the class word or have it twice; also for a file that
        cannot be read, or with too few sentences.
    """
    numbered = [(n, line) for n, line in _lines(Path(path)) if line and not line.startswith("#")]
    slotted = [(n, with_slot(line, anchor)) for n, line in numbered]
    wrong = {n: _slots(text) for n, text in slotted if _slots(text) != 1}
    problems = {0: f"neither {{}} nor '{anchor}' is in", 2: f"{{}} or '{anchor}' is more than once in"}
    for count, problem in problems.items():
        lines = [n for n, slots in wrong.items() if min(slots, 2) == count]
        if lines:
            raise FileFormatError(
                f"{path}: {problem} {_named(lines)}. Every sentence must have the class word in one place."
            )
    contexts = Contexts(tuple(text for _, text in slotted), tuple(n for n, _ in slotted), str(path))
    _check_enough(contexts, len(contexts))
    return contexts


def with_slot(sentence: str, anchor: str) -> str:
    """The sentence with ``{}`` for every mention of the anchor.

    >>> with_slot("A Dog in the snow", "dog")
    'A {} in the snow'
    """
    return substitute(sentence, [(anchor, "{}")]).new_text


def fitting(
    contexts: Contexts, subjects: Sequence[str], tokens: Callable[[str], int], window: int, *, strict: bool
) -> Contexts:
    """The contexts that a text encoder hears to the end, whichever subject is in them.

    Args:
        tokens: how many tokens a sentence becomes, with those the encoder adds.
        window: how many it takes.
        strict: refuse the whole set, naming the lines, rather than leave sentences out.

    Raises: FileFormatError.
    """
    fits = [
        max(tokens(template.replace("{}", s)) for s in subjects) <= window for template in contexts.templates
    ]
    too_long = [line for line, fit in zip(contexts.lines, fits, strict=True) if not fit]
    if too_long and strict:
        raise FileFormatError(
            f"{contexts.source}: {_named(too_long)} would be cut off: with the concept in place more than "
            f"the "
            f"text encoder's {window} tokens. Shorten them."
        )
    kept = contexts._only(i for i, fit in enumerate(fits) if fit)
    _check_enough(kept, len(contexts))
    return kept


def _check_enough(contexts: Contexts, given: int) -> None:
    if len(contexts) < FEWEST:
        raise FileFormatError(
            f"{contexts.source}: {len(contexts)} of {given} sentences can be used, but intervals over "
            f"contexts want at least {FEWEST}, better 50. Give more of them with ",
            Setting("contexts"),
            ".",
        )


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = text_from(path, LONGEST)
    except UnicodeDecodeError as error:
        raise _unreadable(path, "it is no UTF-8 text") from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from error
    return [(n, " ".join(line.split())) for n, line in enumerate(text.splitlines(), 1)]


def _unreadable(path: Path, reason: str) -> FileFormatError:
    return FileFormatError(
        f"The contexts '{path}' cannot be read: {reason}. Give a text file, a sentence a line."
    )


def _words(kind: str) -> list[str]:
    """The class words at the head of a shipped file."""
    head = _lines(FOLDER / f"{kind}.txt")[0][1]
    return [word.strip() for word in head.removeprefix("# For:").split(",")]


def _slots(text: str) -> int:
    return len(re.findall(re.escape("{}"), text))


def _named(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, lines[:SHOWN]))
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return f"line{'s' * (len(lines) > 1)} {shown}{more}"
