"""A report's tables for other readers: Markdown, LaTeX, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...reports.plain_text import visible
from ...reports.table import Table
from ..statistics import gain, level
from .findings import Findings

__all__ = ["as_json", "latex", "markdown"]

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "[": "{[}", "]": "{]}", "α": r"$\alpha$",
    "β": r"$\beta$", "×": r"$\times$", "−": "$-$", "–": "--",
}  # fmt: skip


def markdown(tables: Sequence[Table]) -> str:
    """The tables below each other, as GitHub shows them."""
    return "\n".join(_markdown(table) for table in tables)


def _markdown(table: Table) -> str:
    marks = ["---:" if table.is_right(i) and i else "---" for i in range(len(table.head))]
    rows = [_row(table.head), f"|{'|'.join(marks)}|", *map(_row, table.texts)]
    return "\n".join([f"## {_in_markdown(table.title)}", "", *rows, "", *map(_note, table.notes)])


def _note(text: str) -> str:
    return f"{_in_markdown(text)}\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_in_markdown, cells))} |"


def _in_markdown(text: str) -> str:
    text = visible(text).replace("\n", " ").replace("\\", "\\\\").replace("<", "&lt;")
    for mark in "|*_`[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def latex(tables: Sequence[Table]) -> str:
    """The tables as ``tabular`` with booktabs' rules, each under its title as a comment."""
    return "\n".join(_latex(table) for table in tables)


def _latex(table: Table) -> str:
    align = "".join("r" if table.is_right(i) and i else "l" for i in range(len(table.head)))
    rows = [f"{' & '.join(map(_in_latex, row))} \\\\" for row in table.texts]
    return "\n".join(
        [
            *(f"% {line}" for line in [table.title, *table.notes] for line in visible(line).splitlines()),
            f"\\begin{{tabular}}{{{align}}}",
            "\\toprule",
            f"{' & '.join(map(_in_latex, table.head))} \\\\",
            "\\midrule",
            *rows,
            "\\bottomrule",
            "\\end{tabular}",
            "",
        ]
    )


def _in_latex(text: str) -> str:
    return "".join(SPECIAL.get(each, each) for each in visible(text).replace("\n", " "))


def as_json(found: Findings) -> dict[str, Any]:
    """Every figure of the report, ready for ``output.save_json``."""
    return {
        "baseline": found.baseline,
        "primaries": [asdict(each) for each in found.primaries],
        "claims": [asdict(claim) | {"holds": claim.holds} for claim in found.claims],
        "scores": [
            {
                "score": sheet.score,
                "method": sheet.method,
                "places": len(sheet.places),
                "levels": [asdict(level(sheet, arm)) for arm in sheet.figures],
                "gains": [
                    asdict(gain(sheet, arm, found.baseline)) for arm in sheet.figures if arm != found.baseline
                ],
            }
            for sheet in found.sheets
        ],
    }
