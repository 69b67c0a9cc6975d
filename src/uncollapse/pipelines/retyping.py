"""Finds the user's prompts in a text that was read back from a row, whatever their case and spacing now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..placeholders import Span

__all__ = ["retyped", "users_part"]


def retyped(text: str, prompts: Iterable[str]) -> Iterator[tuple[str, list[Span]]]:
    """``text`` with each of the prompts that are in it as it was typed, whole where ``text`` is cut off; and
    where it is."""
    letters, places = _letters(text.rstrip("\ufffd"))
    for prompt in sorted(prompts, key=len, reverse=True):
        typed = _letters(prompt)[0]
        spans = _occurrences(letters, places, typed)
        cuts = range(max(0, len(letters) - len(typed)), len(letters))
        cut = next((i for i in cuts if typed.startswith(letters[i:])), None)
        if not spans and cut is not None:
            spans = [(places[cut], len(text))]
        whole, done, users = "", 0, []
        for begin, end in spans:
            whole += text[done:begin] + prompt
            users.append((len(whole) - len(prompt), len(whole)))
            done = end
        if users:
            yield whole + text[done:], users


def users_part(text: str, prompts: Iterable[str]) -> list[Span]:
    """Where in ``text`` the longest of ``prompts`` that is there stands, whatever its case and spacing.

    Returns: all of it, when none is: it was cleaned or cut off, and what a template would be cannot be told.
    """
    letters, places = _letters(text)
    for prompt in sorted((_letters(each)[0] for each in prompts), key=len, reverse=True):
        if spans := _occurrences(letters, places, prompt):
            return spans
    return [(0, len(text))]


def _occurrences(letters: str, places: Sequence[int], prompt: str) -> list[Span]:
    """Where in a text of these letters at these places a prompt's letters stand."""
    spans, begin = [], letters.find(prompt)
    while prompt and begin >= 0:
        end = begin + len(prompt)
        spans.append((places[begin], places[end - 1] + 1))
        begin = letters.find(prompt, end)
    return spans


def _letters(text: str) -> tuple[str, list[int]]:
    """The visible characters of ``text`` in small letters, and where in it each is."""
    found = [
        (small, i) for i, letter in enumerate(text) if not letter.isspace() for small in letter.casefold()
    ]
    return "".join(small for small, _ in found), [i for _, i in found]
