"""Finds placeholders in prompts, puts their anchors in, and names the tokens behind them.

Text in, text out. Two facts about prompts live here and nowhere else: where one phrase ends and the
next word begins, and how a learned token of several vectors is spelled, ``<t> <t>_1 <t>_2``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .components import Tokenizer

__all__ = [
    "Substitution",
    "is_learned",
    "learned_tokens",
    "mentions",
    "substitute",
    "token_names",
    "unlearned_names",
]

# What makes a word longer when it follows one. Scripts written without spaces between words (Thai, Lao,
# Khmer, kana, Chinese, Hangul's particles) do not: "一只sks在" mentions "sks".
_WORD = r"[^\W\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"

Span = tuple[int, int]


@dataclass(frozen=True)
class Substitution:
    """A prompt, its anchor twin, and which characters stand for which in the two.

    ``spans[i]`` of ``text`` became ``new_spans[i]`` of ``new_text`` by the pair numbered ``pairs[i]``;
    everything between the spans is the same in both.
    """

    text: str
    new_text: str
    spans: tuple[Span, ...] = ()
    new_spans: tuple[Span, ...] = ()
    pairs: tuple[int, ...] = ()


def substitute(text: str, pairs: Sequence[tuple[str, str]]) -> Substitution:
    """Replace every phrase by its partner, in one pass from the left, the longest phrase first.

    A phrase is found whatever its case and spacing, but not inside a longer word: "sks cat" is in
    "Sks  cat's hat" and in "(sks cat)", not in "sks cats". "<t>" is found anywhere but in "<t>_1", which is
    another token; ComfyUI's "embedding:my-cat" not in "embedding:my-cat-2", which is another file.

    Args:
        text: the prompt.
        pairs: ``(phrase, partner)``, phrases not empty.

    >>> substitute("sks cat near a cat", [("sks cat", "dog")]).new_text
    'dog near a cat'
    """
    if not pairs:
        return Substitution(text, text)
    order = sorted(range(len(pairs)), key=lambda i: -len(pairs[i][0]))
    pattern = re.compile("|".join(f"({_pattern(pairs[i][0])})" for i in order), re.IGNORECASE)
    new_text, end = "", 0
    spans, new_spans, used = [], [], []
    for match in pattern.finditer(text):
        pair = order[int(match.lastindex or 1) - 1]
        new_text += text[end : match.start()]
        end = match.end()
        partner = _set_apart(new_text, pairs[pair][1], text[end:])
        new_spans.append((len(new_text), len(new_text) + len(partner)))
        new_text += partner
        spans.append(match.span())
        used.append(pair)
    return Substitution(text, new_text + text[end:], tuple(spans), tuple(new_spans), tuple(used))


def _set_apart(before: str, partner: str, after: str) -> str:
    """In "near<t>", "cat" for "<t>" gives "near cat"; the space counts as the partner's."""
    left = " " if re.match(_WORD, before[-1:]) and re.match(_WORD, partner[:1]) else ""
    right = " " if re.match(_WORD, partner[-1:]) and re.match(_WORD, after[:1]) else ""
    return left + partner + right


def mentions(text: str, phrase: str) -> bool:
    """Whether ``text`` holds ``phrase`` as words of its own."""
    return re.search(_pattern(phrase), text, re.IGNORECASE) is not None


def _pattern(phrase: str) -> str:
    words = phrase.split()
    before = f"(?<!{_WORD})" if re.match(_WORD, words[0][0]) else ""
    after = f"(?!{_WORD})" if re.match(_WORD, words[-1][-1]) else r"(?!_\d)"
    if words[-1].startswith("embedding:"):
        after = r"(?![^\s,):])"
    return before + r"\s+".join(re.escape(word) for word in words) + after


def token_names(placeholder: str, count: int) -> list[str]:
    """How ``count`` vectors of one placeholder are named: ``<t>``, ``<t>_1``, ``<t>_2`` (diffusers' way)."""
    return [placeholder, *(f"{placeholder}_{i}" for i in range(1, count))]


def learned_tokens(tokenizer: Tokenizer, placeholder: str) -> list[str]:
    """The added tokens behind a placeholder, every vector of each: what Textual Inversion has learned.

    "<t>" gives ``<t>, <t>_1, …`` as far as the tokenizer has them; "<s0><s1>" gives both; "sks dog", made of
    ordinary words, gives nothing.
    """
    added = _added_tokens(tokenizer)
    names: dict[str, None] = {}
    for i in tokenizer(placeholder, add_special_tokens=False)["input_ids"]:
        token = added.get(i, "")  # by number: CLIP's tokenizer spells "<My-Cat>" in small letters
        while token in added.values() and token not in names:
            names[token] = None
            token = _next_name(token)
    return list(names)


def is_learned(tokenizer: Tokenizer, placeholder: str) -> bool:
    """Whether a placeholder is made of learned tokens alone: "<my-cat>" is, "<new1> cat" is not."""
    ids = tokenizer(placeholder, add_special_tokens=False)["input_ids"]
    return set(ids) <= set(_added_tokens(tokenizer))


def unlearned_names(tokenizers: Collection[Tokenizer], placeholder: str) -> list[str]:
    """The names in angle brackets within a placeholder that are no learned token of any tokenizer.

    "<my-cat>" is read as ordinary pieces then, "<", "my", "-", …: most likely its embedding was not loaded.
    """
    names = re.findall(r"<[^<>\s]+>", placeholder)
    return [name for name in names if not any(learned_tokens(each, name) for each in tokenizers)]


def _added_tokens(tokenizer: Tokenizer) -> dict[int, str]:
    special = set(tokenizer.all_special_tokens)
    return {i: name for name, i in tokenizer.get_added_vocab().items() if name not in special}


def _next_name(token: str) -> str:
    stem, _, number = token.rpartition("_")
    return f"{stem}_{int(number) + 1}" if stem and number.isdigit() else f"{token}_1"
