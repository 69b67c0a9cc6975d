"""What the pictures of ``rivals.py`` come to: tables by kind of training, curves, and the docs' own tables.

    python benchmarks/rivals_table.py                         # of what is committed
    python benchmarks/rivals_table.py --work outputs/rivals   # first takes in what was drawn since

Works on whatever is there, and says what is missing; ways are held against each other once all concepts that
were begun have them. Writes ``results/rivals.jsonl`` (a line a way and unit), ``results/rivals.md`` (every
figure), ``docs/images/rivals.png``, and the tables between the marks in ``docs/instead.md``. "Both" is the
share of pictures that keep context and likeness; a picture keeps its context when place, style, accessory and
second subject are all as asked.

    area        under the staircase of a family's points, the unadjusted one among them: of each concept, so
                that a family of more points has more of it
    at 95%      the most context of a family's members that keep 95 % of the unadjusted likeness
    measured    each training's way chosen by its pictures of four prompts, as ``tune`` chooses without its
                probe, and judged on the other four; then the other way round
    hindsight   each training's best way on the very pictures that judge it
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from recorder import Lines, read
from shares import OUTCOMES, Shares, area, interval, interval_text, paired

from rivals import BASE, ITEM, KINDS, MINIATURE, PERSONALISED, SETS, TRAINING_SEEDS, WORK, arm_of
from uncollapse.comparison import told_apart
from uncollapse.output import save_text, write_atomically
from uncollapse.reports import figures as plots
from uncollapse.tuning import Keep

ROOT = Path(__file__).parent
RESULTS, DOCS = ROOT / "results", ROOT.parent / "docs"
TITLES = {
    "dreambooth": "LoRA, text queries and keys",
    "dreambooth, all text": "LoRA, all text layers",
    "dreambooth, denoiser alone": "LoRA, U-Net alone",
    "textual inversion": "Textual Inversion",
    "custom diffusion": "Custom Diffusion",
}
FAMILIES = {  # name: (which ways are its members, colour, line)
    "TEA, one α": (lambda way: way.startswith("tea:alpha=") and "/" not in way, plots.GREEN, "-o"),
    "TEA by role": (lambda way: way.startswith("tea:") and "/" in way, plots.BLUE, "-s"),
    "text LoRA down": (
        lambda way: way.startswith("lora:text") and "denoiser" not in way,
        plots.ORANGE,
        "--^",
    ),
    "whole LoRA down": (lambda way: way.startswith("lora:text") and "denoiser" in way, plots.PURPLE, ":v"),
    "U-Net LoRA down": (lambda way: way.startswith("lora:denoiser"), plots.RED, ":D"),
    "weights down": (lambda way: way.startswith("weights"), plots.PURPLE, ":v"),
    "prompt switching": (lambda way: way.startswith("switch"), plots.SKY, "--P"),
    "LERP": (lambda way: way.startswith("lerp"), plots.GREY, "-.h"),
}
FIXED = {"token": "tea:alpha=0.2,beta=1", "prompt": "tea:alpha=0/1/1,beta=1"}  # what others are held against
PAPERS = "tea"
FIRST = (BASE.name, PERSONALISED.name, PAPERS)  # of a table
SPOTS = (
    "placeholder first", "accessory", "placeholder last", "style", "second subject", "first, accessory",
    "last, style", "plain",
)  # fmt: skip
LEAST = 0.05  # of context lost, below which there is nothing to cure
MARKS = ("<!-- written by benchmarks/rivals_table.py -->\n", "<!-- to here -->\n")


def taken_in(results: Path, work: Path) -> Lines:
    """The committed units, and those that were drawn since."""
    lines = Lines(results, *ITEM)
    for file in sorted(work.glob("*.json")):
        found = read(file)
        if tuple(found["records"][0][field] for field in ITEM) not in lines.items:
            lines.add(found)
    return lines


class Kind:
    """One kind of training: its pictures, and the base model's of the same concepts and seeds."""

    def __init__(self, recipe: str, lines: Lines) -> None:
        self.recipe, self.title = recipe, TITLES[recipe]
        units = {key: found for key, found in lines.records.items() if key[0] == recipe}
        base = {(key[1], key[3]): found for key, found in lines.records.items() if key[0] == BASE.name}
        self.pictures: list[dict[str, Any]] = []
        for (_, concept, training, seed, which), found in units.items():
            drawn = found + (base.get((concept, seed), []) if which == "leading" else [])
            for record, prompt in product(drawn, range(len(SPOTS))):
                self.pictures.append(
                    {"concept": concept, "training": training, "seed": seed, "prompt": prompt}
                    | {"arm": record["way"]}
                    | {name: bool(record[name][prompt]) for name in ("context_kept", "identity_kept")}
                )
        self.shares = Shares(self.pictures)
        self.names = names_of(self.shares.arms)
        there = {way: ~np.isnan(self.shares.found[way, "both"]) for way in self.shares.arms}
        self.ways = [way for way, concepts in there.items() if concepts.all()]  # comparable
        self.level = "token" if FIXED["token"] in self.shares.arms else "prompt"
        self.fixed = FIXED[self.level]
        tried = (r["way"] for key, found in units.items() if key[4] != "beside" for r in found)
        self.tried = list(dict.fromkeys(tried))  # by tuning

    def members(self, family: str) -> list[str]:
        """A family's ways, the gentlest first."""
        return sorted(filter(FAMILIES[family][0], self.ways), key=_strength)

    def families(self) -> list[str]:
        return [family for family in FAMILIES if self.members(family)]

    def best(self) -> str:
        """The fixed way that keeps both most often."""
        ways = [way for way in self.ways if way != BASE.name]
        return max(ways, key=lambda way: self.shares.mean(way, "both"))


def _strength(way: str) -> float:
    """By which a family's ways are put in order: α rises, a scale falls."""
    name, _, settings = way.partition(":")
    value = settings.partition(",")[0].partition("=")[2]
    total = sum(float(number) for number in value.split("/") if number)
    return -total if name in ("lora", "weights") else total


def names_of(ways: Sequence[str]) -> dict[str, str]:
    """What people read of each way; the paper's setting is called so."""
    others = [way for way in ways if way != PAPERS]
    names = dict(zip(others, (arm.name for arm in told_apart([arm_of(way) for way in others])), strict=True))
    return {way: names.get(way, "TEA α 0.2, β 1.5, the paper's") for way in ways}


def area_of(kind: Kind, family: str) -> tuple[float, tuple[float, float]]:
    """Mean over concepts, and its interval."""
    ways = [PERSONALISED.name, *kind.members(family)]
    columns = [[kind.shares.found[way, outcome] for outcome in OUTCOMES[:2]] for way in ways]
    values = np.array(columns)  # [ways, 2, concepts]
    known = values[:, :, ~np.isnan(values).any(axis=(0, 1))]
    areas = np.array([area([tuple(point) for point in known[:, :, i]]) for i in range(known.shape[2])])
    return (float(areas.mean()) if len(areas) else float("nan")), interval(areas)


def at_95(kind: Kind, family: str) -> str | None:
    """The member with most context of those that keep 95 % of the unadjusted likeness."""
    least = 0.95 * kind.shares.mean(PERSONALISED.name, "likeness kept")
    enough = [way for way in kind.members(family) if kind.shares.mean(way, "likeness kept") >= least]
    return max(enough, key=lambda way: kind.shares.mean(way, "context kept"), default=None)


def _rates(pictures: Sequence[dict[str, Any]]) -> tuple[float, float]:
    context, likeness = zip(*((p["context_kept"], p["identity_kept"]) for p in pictures), strict=True)
    return float(np.mean(context)), float(np.mean(likeness))


def choice(pictures: dict[str, list[dict[str, Any]]], ways: Sequence[str], keep: Keep) -> str:
    """What a training's pictures of each way, ``base`` and ``personalised`` too, say by a wish."""
    rates = {way: _rates(pictures[way]) for way in (*ways, BASE.name)}
    (low, whole), (high, none) = rates[PERSONALISED.name], rates[BASE.name]
    if high - low < LEAST or whole - none < LEAST:
        return PERSONALISED.name

    def value(way: str) -> float:
        context, likeness = rates[way]
        return keep.value((context - low) / (high - low), (likeness - none) / (whole - none))

    return max(ways, key=value)


def measured(kind: Kind, keep: Keep) -> list[dict[str, Any]]:
    """The judging pictures under the names of ``measured`` and ``hindsight``, and of every way for all."""
    judged: list[dict[str, Any]] = []
    for concept, training in sorted({(p["concept"], p["training"]) for p in kind.pictures}):
        here = [p for p in kind.pictures if (p["concept"], p["training"]) == (concept, training)]
        for half in (0, 1):
            known: dict[str, list[dict[str, Any]]] = {}
            judging: dict[str, list[dict[str, Any]]] = {}
            for picture in here:
                side = known if picture["prompt"] % 2 == half else judging
                side.setdefault(picture["arm"], []).append(picture)
            if not {*kind.tried, BASE.name} <= set(known):
                continue
            chosen = choice(known, kind.tried, keep)
            best = max(kind.tried, key=lambda way: np.mean([_both(p) for p in judging[way]]))
            for name, way in (("measured", chosen), ("hindsight", best)):
                judged += [picture | {"arm": name} for picture in judging[way]]
            for way in kind.tried:
                judged += judging[way]
    return judged


def _both(picture: dict[str, Any]) -> bool:
    return picture["context_kept"] and picture["identity_kept"]


def missing(lines: Lines) -> list[str]:
    """What the grid lacks, of the seeds that were begun: how many of each kind's trainings."""
    seeds, said = sorted({key[3] for key in lines.items}), []
    for recipe in KINDS:
        parts = []
        for seed, which in product(seeds, SETS):
            grid = [(recipe, *each, seed, which) for each in product(MINIATURE.concepts, TRAINING_SEEDS)]
            if lacks := sum(key not in lines.items for key in grid):
                parts.append(f"{lacks} of {len(grid)} at seed {seed} ({which})")
        if parts:
            said.append(f"{TITLES[recipe]}: {', '.join(parts)}")
    return said


def whole_table(kind: Kind) -> str:
    """Every way of one kind, those that keep both most often first, and last what not all concepts have."""
    shares, against = kind.shares, kind.names.get(kind.fixed, "")
    lines = [
        f"| {kind.title} | concepts | pictures | {' | '.join(OUTCOMES)} | both, against {against} | p |",
        "|---" * (len(OUTCOMES) + 5) + "|",
    ]
    for way in sorted(shares.arms, key=lambda way: (way not in kind.ways, -shares.mean(way, "both"))):
        more = ["", ""]
        if kind.fixed in shares.arms and way not in (kind.fixed, BASE.name):
            mean, bounds, p = shares.gain(way, "both", kind.fixed)
            more = [interval_text(mean, bounds, sign="+"), f"{p:.3f}"]
        concepts = int((~np.isnan(shares.found[way, "both"])).sum())
        cells = [
            kind.names[way],
            str(concepts),
            str(shares.pictures[way]),
            *(shares.cell(way, o) for o in OUTCOMES),
            *more,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def family_table(kinds: Sequence[Kind]) -> str:
    """Area under each family's curve, and what it has at 95 % of the likeness."""
    lines = [
        "| | family | area | most context at ≥ 95% of the likeness | by |",
        "|---|---|---|---|---|",
    ]
    for kind in kinds:
        for family in kind.families():
            way = at_95(kind, family)
            most = [kind.shares.cell(way, "context kept"), kind.names[way]] if way else ["none", ""]
            lines.append(
                f"| {kind.title} | {family} | {interval_text(*area_of(kind, family))} | {' | '.join(most)} |"
            )
    return "\n".join(lines) + "\n"


def spot_table(kinds: Sequence[Kind]) -> str:
    """Context/likeness by what a prompt is like: as it is, and with what serves each kind best."""
    lines = ["| prompt | as it is | with each kind's best way |", "|---|---|---|"]
    for prompt, spot in enumerate(SPOTS):
        cells = []
        for ways in ([PERSONALISED.name] * len(kinds), [kind.best() for kind in kinds]):
            rates = [
                _rates([p for p in kind.pictures if (p["arm"], p["prompt"]) == (way, prompt)])
                for kind, way in zip(kinds, ways, strict=True)
            ]
            cells.append("/".join(f"{100 * rate:.0f}" for rate in np.mean(rates, axis=0)))
        lines.append(f"| {spot} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def measured_table(kinds: Sequence[Kind], keep: Keep) -> str:
    """What choosing by pictures gives, by kind and over all."""
    lines = ["| | chosen | best fixed way | the same way for all | hindsight |", "|---|---|---|---|---|"]
    everything: list[tuple[Kind, Shares]] = []
    for kind in kinds:
        judged = measured(kind, keep)
        if not judged:
            continue
        shares = Shares(judged)
        everything.append((kind, shares))
        ways = [way for way in kind.tried if way in shares.arms]
        best = max(ways, key=lambda way: shares.mean(way, "both"))
        cells = [
            f"{shares.cell('measured', 'both')}",
            f"{shares.cell(best, 'both')}, {kind.names[best]}",
            f"{shares.cell(kind.fixed, 'both')}, {kind.names[kind.fixed]}",
            shares.cell("hindsight", "both"),
        ]
        lines.append(f"| {kind.title} | {' | '.join(cells)} |")
    concepts = [name for name in MINIATURE.concepts if all(name in each.concepts for _, each in everything)]
    if everything and len(concepts) > 1:
        rows = {}
        for name in ("measured", "hindsight", "fixed"):
            values = []
            for kind, shares in everything:
                arm = kind.fixed if name == "fixed" else name
                values.append([shares.found[arm, "both"][shares.concepts.index(c)] for c in concepts])
            rows[name] = np.mean(values, axis=0)
        texts = {name: interval_text(float(row.mean()), interval(row)) for name, row in rows.items()}
        lines.append(
            f"| **all {len(everything)}**, {len(concepts)} concepts "
            f"| {texts['measured']} | | {texts['fixed']} | {texts['hindsight']} |"
        )
        mean, bounds, p = paired(rows["measured"] - rows["fixed"])
        lines.append(
            f"\nMeasured against the same way for all: {interval_text(mean, bounds, '+')} points, p {p:.3f}."
        )
    return "\n".join(lines) + "\n"


def docs_table(kinds: Sequence[Kind]) -> str:
    """Ways against kinds: both, and context / likeness; each kind's best is bold."""
    ways = list(dict.fromkeys(way for kind in kinds for way in kind.ways))
    names = names_of(ways)
    order = sorted(ways, key=lambda way: (place := _place(way), _strength(way) if place >= 0 else 0))
    lines = [f"| | {' | '.join(kind.title for kind in kinds)} |", "|---" * (len(kinds) + 1) + "|"]
    for way in order:
        cells = []
        for kind in kinds:
            if way not in kind.ways:
                cells.append("")
                continue
            context, likeness, both = (100 * kind.shares.mean(way, o) for o in OUTCOMES)
            text = f"{both:.0f}"
            text = f"**{text}**" if way == kind.best() else text
            cells.append(f"{text} ({context:.0f}/{likeness:.0f})")
        lines.append(f"| {names[way]} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _place(way: str) -> int:
    """The base and the unadjusted model first, then family by family, and then the others."""
    if way in FIRST:
        return FIRST.index(way) - len(FIRST)
    return next((i for i, (of, *_) in enumerate(FAMILIES.values()) if of(way)), len(FAMILIES))


def paired_table(kinds: Sequence[Kind]) -> str:
    """The open questions, each a paired difference of "both"."""
    questions = [
        ("SLERP rather than LERP, α 0.6", "tea:alpha=0.6,beta=1", "lerp:alpha=0.6"),
        ("SLERP rather than LERP, α 0.4", "tea:alpha=0.4,beta=1", "lerp:alpha=0.4"),
        ("SLERP rather than LERP, α 0.2", "tea:alpha=0.2,beta=1", "lerp:alpha=0.2"),
        ("β 1 rather than 1.5, α 0.2", "tea:alpha=0.2,beta=1", PAPERS),
        ("V* and its noun rather than V*", "noun", PERSONALISED.name),
        ("the same, both with TEA α 0.2", "noun:alpha=0.2", "tea:alpha=0.2,beta=1"),
        ("the paper's TEA rather than none", PAPERS, PERSONALISED.name),
        ("TEA by role rather than one α, 0.6", "tea:alpha=0/1/1,beta=1", "tea:alpha=0.6,beta=1"),
        ("TEA by role rather than the text LoRA × 0.25", "tea:alpha=0/1/1,beta=1", "lora:text=0.25"),
    ]
    lines = ["| | of | context | likeness | both | p, both |", "|---|---|---|---|---|---|"]
    for (what, one, other), kind in product(questions, kinds):
        if {one, other} <= set(kind.ways):
            found = [kind.shares.gain(one, outcome, other) for outcome in OUTCOMES]
            cells = [interval_text(mean, bounds, "+") for mean, bounds, _ in found]
            lines.append(f"| {what} | {kind.title} | {' | '.join(cells)} | {found[-1][2]:.3f} |")
    return "\n".join(lines) + "\n"


def draw(kinds: Sequence[Kind], columns: int = 2) -> bytes:
    """Context against likeness: a panel a kind, a curve a family from the unadjusted model on."""
    rows = -(-(len(kinds) + 1) // columns)
    figure, panels = plots.new(3.3 * columns, 3.2 * rows, columns=columns, rows=rows)
    panels = list(np.ravel(panels))
    for axes, kind in zip(panels, kinds, strict=False):
        for family in kind.families():
            _, colour, line = FAMILIES[family]
            ways = [PERSONALISED.name, *kind.members(family)]
            x, y = (
                [100 * kind.shares.mean(way, outcome) for way in ways]
                for outcome in ("likeness kept", "context kept")
            )
            axes.plot(x, y, line, color=colour, ms=5, lw=1.4, label=family)
        for way, marker, label in (
            (PERSONALISED.name, "X", "personalised"),
            (PAPERS, "*", "the paper's TEA"),
        ):
            _cross(axes, kind, way, marker, label)
        _cross(axes, kind, kind.best(), "o", "best for both, with intervals", hollow=True)
        axes.set_title(kind.title, fontsize=10)
        axes.set_xlim(-4, 104)
        axes.set_ylim(-4, 104)
        axes.set_xlabel("% likeness kept", fontsize=9)
        axes.set_ylabel("% context kept", fontsize=9)
    for axes in panels[len(kinds) :]:
        axes.axis("off")
    labelled: dict[str, Any] = {}
    for axes in panels[: len(kinds)]:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labelled.setdefault(label, handle)
    panels[len(kinds)].legend(labelled.values(), labelled, loc="center", frameon=False, fontsize=9)
    return plots.as_png(figure)


def _cross(axes: Any, kind: Kind, way: str, marker: str, label: str, hollow: bool = False) -> None:
    """A point with its intervals over concepts."""
    if way not in kind.ways:
        return
    middle, reach = [], []
    for outcome in ("likeness kept", "context kept"):
        mean = 100 * kind.shares.mean(way, outcome)
        low, high = (100 * x for x in kind.shares.interval(kind.shares.found[way, outcome]))
        middle.append(mean)
        reach.append([[mean - max(low, 0.0)], [min(high, 100.0) - mean]] if low == low else None)
    face = "none" if hollow else "black"
    axes.errorbar(
        *([each] for each in middle), xerr=reach[0], yerr=reach[1], fmt=marker, color="black", mfc=face,
        ms=11 if hollow else 8, lw=0.8, alpha=0.8, label=label, zorder=5,
    )  # fmt: skip


def into_docs(text: str, page: Path) -> None:
    """Put the tables between the page's marks."""
    before, begun, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    _, ended, after = rest.partition(MARKS[1])
    if not (begun and ended):
        raise SystemExit(f"{page}: has no marks '{MARKS[0].strip()}' and '{MARKS[1].strip()}'.")
    save_text(f"{before}{begun}{text}{ended}{after}", page)


def main(
    work: Annotated[Path, typer.Option(help="What rivals.py drew.")] = WORK,
    results: Annotated[Path, typer.Option(help="Where records are kept.")] = RESULTS / "rivals.jsonl",
    docs: Annotated[Path, typer.Option(help="The docs whose tables and picture are written.")] = DOCS,
) -> None:
    """Tabulate what is there, and say what is not."""
    lines = taken_in(results, work)
    kinds = [Kind(recipe, lines) for recipe in KINDS if any(key[0] == recipe for key in lines.items)]
    if not kinds:
        raise SystemExit(f"{results} and {work} hold no pictures. Run benchmarks/rivals.py first.")
    lacks = missing(lines)
    seeds = len({key[3] for key in lines.items})
    count = sum(sum(kind.shares.pictures.values()) - kind.shares.pictures.get(BASE.name, 0) for kind in kinds)
    count += len(SPOTS) * sum(key[0] == BASE.name for key in lines.items)
    said = f"{count:,} pictures, {seeds} seed{'s' * (seeds > 1)} of each prompt."
    said += (" Not there yet: " + ". ".join(lacks) + ".") if lacks else " Nothing is missing."
    print(said)
    keep = Keep()
    measuring = measured_table(kinds, keep)
    sections = {
        "Ways by kind: both, and (context/likeness)": docs_table(kinds),
        "Families": family_table(kinds),
        "Measured, way by way": measuring,
        "Questions, as paired differences": paired_table(kinds),
        "By prompt: context/likeness, the mean of the kinds": spot_table(kinds),
        **{f"All of {kind.title}": whole_table(kind) for kind in kinds},
    }
    text = f"{said}\n\n" + "\n".join(f"## {title}\n\n{table}" for title, table in sections.items())
    save_text(text, results.with_suffix(".md"))
    page = [
        f"{said}\n",
        docs_table(kinds),
        "![Context against likeness, a panel for each kind of training](images/rivals.png)\n",
        "Each family by itself: the area under its curve, and what it has where the likeness must stay:\n",
        family_table(kinds),
        "A way chosen for each training by its own pictures, beside fixed ones; the share that keeps both:\n",
        measuring,
        "The open questions, as differences in points, each paired by concept:\n",
        paired_table(kinds),
        "By what a prompt asks for, context/likeness, the mean of the kinds:\n",
        spot_table(kinds),
    ]
    into_docs("\n" + "\n".join(page) + "\n", docs / "instead.md")
    picture = draw(kinds)
    write_atomically(docs / "images" / "rivals.png", lambda scratch: scratch.write_bytes(picture))
    print(text)


if __name__ == "__main__":
    typer.run(main)
