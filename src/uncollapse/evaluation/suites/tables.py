"""Prompts in CSV, as TEA's authors write them: a prompt, and what each part of it asks for.

    prompt, custom_prompt_A, custom_prompt_B, custom_prompt_C [, full_prompt]

A is the concept ("a barn"), B the context, C a second context or NA. They come with a byte order mark,
blanks around names and values, no header at all, and ``{object1}`` for ``{}``.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from ...admission import text_from
from .suite import SuitePrompt

__all__ = ["prompts_of"]

COLUMNS = ["prompt", "custom_prompt_A", "custom_prompt_B", "custom_prompt_C"]
ARTICLE = re.compile(r"^(an?|the)\s+", re.IGNORECASE)


def prompts_of(file: Path, class_word: str | None = None) -> tuple[str, tuple[SuitePrompt, ...]]:
    """The class word that the table is about, and its prompts.

    Args:
        file: the CSV.
        class_word: None for the concept of the first row.

    Raises: ValueError, for a table that is none of these.
    """
    head, *rows = _cells(file)
    columns = head
    if head[0] != "prompt":
        rows, columns = [head, *rows], COLUMNS[: len(head)]
    found: list[dict[str, str]] = []
    for number, row in enumerate(rows, 1):
        if len(row) > len(columns):
            raise ValueError(f"{file.name}, row {number}: {len(row)} values for {len(columns)} columns")
        found.append(
            {name: value for name, value in zip(columns, row, strict=False) if value != "NA" and value}
        )
    if not found:
        raise ValueError(f"{file.name} has no prompts")
    word = class_word or ARTICLE.sub("", found[0].get("custom_prompt_A", ""))
    if not word:
        raise ValueError(f"{file.name} has no custom_prompt_A, so it does not say what it is about")
    return word, tuple(_prompt(file, row, word) for row in found)


def _cells(file: Path) -> list[list[str]]:
    rows = csv.reader(text_from(file, encoding="utf-8-sig").splitlines(), skipinitialspace=True)
    stripped = [[cell.strip() for cell in row] for row in rows]
    return [row for row in stripped if any(row)] or [[""]]


def _prompt(file: Path, row: dict[str, str], word: str) -> SuitePrompt:
    published = row["prompt"]
    if "{object2}" in published:
        raise ValueError(f"{file.name}: '{published}' is about two subjects")
    return SuitePrompt.about(
        word,
        published.replace("{object1}", "{}"),
        context=", ".join(row[name] for name in ("custom_prompt_B", "custom_prompt_C") if name in row)
        or None,
        concept=row.get("custom_prompt_A"),
        full=row.get("full_prompt"),
    )
