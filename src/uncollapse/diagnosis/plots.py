"""The figures of a diagnosis, each drawn by a function that returns it."""

from __future__ import annotations

import math
import textwrap
from itertools import cycle
from typing import TYPE_CHECKING, Any

import torch

from ..reports.figures import BLUE, GREEN, GREY, ORANGE, RED, Plot, legend_below, new
from .verdict import HEARD, PRESENCE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .diagnose import Diagnosis
    from .prompts import PromptDrift

__all__ = ["figures"]

LEAST = 1e-4  # of a drift that is drawn: words before the concept do not move at all
SAYS = {
    "heard": "How much of the context the denoiser still hears, and how much the concept changes there. "
    "Bars with 95% intervals over contexts. Dotted: the verdict's lines. Left of the first the context is "
    f"lost ({HEARD:g}), left of the second the subject is ({PRESENCE:g}).",
    "norms": "A learned vector right of all words is longer than any of them. Triangles: the special tokens.",
    "turned": "An undrifted vector lies at the star. Arrows show what the adjustment does.",
    "leak": "The context's words are the same in both sentences: what moved there has leaked in from the "
    "concept, or is the text encoder's own change. Box: the middle half of the contexts.",
    "sentences": "Lines join the same sentence. A concept that drowns its context out draws the triangles "
    "together.",
}


def figures(d: Diagnosis) -> dict[str, Plot]:
    """The figures that the diagnosis has the data for, by name; of several text encoders "leak-clip_l", …."""
    drawn = {}
    if d.probe is not None:
        drawn["heard"] = Plot(heard(d), SAYS["heard"])
    if d.tokens and d.word_norms:
        drawn["norms"] = Plot(norms(d), SAYS["norms"])
    if d.tokens:
        drawn["turned"] = Plot(turned(d), SAYS["turned"])
    several = len(d.prompts) > 1
    for encoder, each in d.prompts.items():
        name, title = (f"-{encoder}", f" ({encoder})") if several else ("", "")
        drawn[f"leak{name}"] = Plot(leak(each.drift, title), SAYS["leak"])
        drawn[f"sentences{name}"] = Plot(sentences(each.drift, d, title), SAYS["sentences"])
    return drawn


def norms(d: Diagnosis) -> Figure:
    """The norms of the vocabulary's words, with the token, its anchor's multiple and the special tokens."""
    encoder = d.tokens[0].before.encoder
    words = next(
        (n for name, n in d.word_norms.items() if name == encoder), next(iter(d.word_norms.values()))
    )
    figure, axes = new()
    longest = max(words.max().item(), *(row.before.norm for row in d.tokens))
    bins = torch.logspace(math.log10(words.min().item()), math.log10(1.1 * longest), 60)
    axes.hist(words.numpy(), bins=bins.numpy(), color=BLUE, alpha=0.55, label=f"{len(words):,} words")
    rows = [row for row in d.tokens if row.before.encoder == encoder]
    for i, row in enumerate(rows):
        label = d.placeholder if i == 0 else None
        axes.axvline(row.before.norm, color=RED, lw=1.8, label=label)
        axes.axvline(row.after.norm, color=GREEN, lw=1.4, ls="--", label="adjusted" if i == 0 else None)
    axes.axvline(rows[0].before.norm / rows[0].norm_ratio, color=GREY, lw=1.4, ls=":", label=d.anchor)
    own = [mark for mark in d.landmarks if mark.encoder == encoder and words.min() <= mark.norm <= longest]
    for mark, colour in zip(own, cycle(("black", "white", GREY)), strict=False):
        look = {"mfc": colour, "mec": "black", "ls": "", "clip_on": False}
        axes.plot(mark.norm, 0, marker="v", ms=7, label=mark.token, **look)
    axes.set_xscale("log")
    _plain_numbers(axes.xaxis)
    of = f" ({encoder})" if len({row.before.encoder for row in d.tokens}) > 1 else ""
    axes.set(xlabel="norm", ylabel="words", title=f"How long the vector is among the vocabulary's{of}")
    legend_below(figure)
    return figure


def _plain_numbers(axis: Any) -> None:
    """1, 2, 5, 10 on a logarithmic axis, where there is room for more than powers of ten."""
    from matplotlib.ticker import LogLocator

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def turned(d: Diagnosis) -> Figure:
    """Each vector by its norm and angle relative to the anchor, before and after."""
    figure, axes = new(5.2, 3.4)
    for i, row in enumerate(d.tokens):
        after = row.after.norm / (row.before.norm / row.norm_ratio)
        left = torch.tensor(row.cosine_after).clamp(-1, 1).arccos().item()
        axes.annotate(
            "", (left, after), (row.angle, row.norm_ratio), arrowprops={"arrowstyle": "->", "color": GREY}
        )
        axes.plot(row.angle, row.norm_ratio, "o", color=RED, label=d.placeholder if i == 0 else None)
        axes.plot(left, after, "s", color=GREEN, label="adjusted" if i == 0 else None)
    axes.plot(0, 1, "*", color="black", ms=11, label=d.anchor)
    axes.set_yscale("log")
    _plain_numbers(axes.yaxis)
    axes.set(xlabel="angle to the anchor, radians", ylabel="norm ÷ anchor's", title="How far it has drifted")
    axes.set_xlim(-0.1, 3.2)
    legend_below(figure)
    return figure


def leak(drift: PromptDrift, of: str = "") -> Figure:
    """The drift of the context's words, of the concept's own and of the sentence, over contexts."""
    columns = {
        "context's words": drift.context,
        "concept's words": drift.concept,
        "whole sentence": drift.pooled,
    }
    figure, axes = new(5.6, 2.6)
    values = [each[each.isfinite()].clamp(min=LEAST).numpy() for each in columns.values()]
    parts = axes.boxplot(values, orientation="horizontal", widths=0.5, showfliers=False, patch_artist=True)
    for box, colour in zip(parts["boxes"], (BLUE, ORANGE, GREY), strict=True):
        box.set(facecolor=colour, alpha=0.55)
    axes.set_yticks(range(1, 4), columns)
    axes.set_xscale("log")
    _plain_numbers(axes.xaxis)
    axes.invert_yaxis()
    axes.set(xlabel="drift, 1 − cosine", title=f"How far its vectors moved{of}")
    return figure


def sentences(drift: PromptDrift, d: Diagnosis, of: str = "") -> Figure:
    """P_V* and P_c on the two directions in which P_c varies most."""
    Q, P = drift.Q.double(), drift.P.double()
    centre = Q.mean(0)
    axes_of_q = torch.linalg.svd(Q - centre, full_matrices=False).Vh[:2].T
    q, p = (Q - centre) @ axes_of_q, (P - centre) @ axes_of_q
    figure, axes = new(5.2, 3.8)
    axes.plot(*torch.stack([q, p]).permute(2, 0, 1).numpy(), color=GREY, lw=0.4, alpha=0.6)
    axes.plot(*q.T.numpy(), "o", ms=3.5, color=BLUE, label=f"with “{d.anchor}”")
    axes.plot(*p.T.numpy(), "^", ms=3.5, color=RED, label=f"with “{d.placeholder}”")
    axes.set(title=f"The sentences, by their last token{of}", xlabel="first direction", ylabel="second")
    legend_below(figure)
    return figure


def heard(d: Diagnosis) -> Figure:
    """What the denoiser hears of the context, as it is and adjusted, with the line of the verdict."""
    rows = [("as it is", d.probe), *d.adjusted.items()]
    figure, both = new(5.8, 1.1 + 0.4 * len(rows), columns=2)
    for axes, name, line, title in (
        (both[0], "heard", HEARD, "Context heard"),
        (both[1], "presence", PRESENCE, "Presence"),
    ):
        for y, (_, found) in enumerate(rows):
            value = getattr(found, name)
            axes.barh(y, value.value, color=RED if y == 0 else GREEN, alpha=0.6, height=0.6)
            axes.plot([value.low, value.high], [y, y], color="black", lw=1.2)
        axes.axvline(line, color="black", ls=":", lw=1.2)
        axes.axvline(0, color=GREY, lw=0.8)
        labels = ["\n".join(textwrap.wrap(label, 20)) for label, _ in rows] if name == "heard" else []
        axes.set_yticks(range(len(rows)), labels or [""] * len(rows))
        axes.invert_yaxis()
        axes.locator_params(axis="x", nbins=4)
        axes.set_title(title)
    return figure
