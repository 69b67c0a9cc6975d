"""``uncollapse demo``: a collapsed personalised model, seen and adjusted, offline."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import torch
import typer

from ..comparison import BASE, PERSONALISED, compare, tea_arms
from ..concept import Concept
from ..output import check_writable
from . import options as o
from .bundled import BUNDLED_DRAWING, bundled_concept, bundled_measures, bundled_pipeline
from .comparing import print_comparison, save_comparison
from .console import command, progress, stderr

ALPHAS = [0.2, 0.6]
BETA = 1.0  # at prompt level the paper's 1.5 overdrives so small a model: docs/miniature.md
OUTPUT = Path("outputs/demo")


@command
def demo(
    output: o.Output = OUTPUT,
    concept: Annotated[str | None, typer.Option(help="A bundled concept, by name or placeholder.")] = None,
    prompts: Annotated[int, typer.Option(min=1, help="How many prompts.")] = 6,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds for each prompt.")] = 3,
    alpha: o.Alphas = ALPHAS,
    beta: Annotated[float, typer.Option(help="Norm relative to the anchor's.")] = BETA,
    threads: o.Threads = None,
    json: o.Json = False,
) -> None:
    """See a personalised model that has collapsed, and what test-time adjustment does about it.

    Draws the same prompts and seeds with the base model, the personalised one, and the personalised one
    with the adjustment, on the bundled miniature model. Needs no network and no GPU.
    """
    from .. import miniature

    start = perf_counter()
    arms = [BASE, PERSONALISED, *tea_arms(alpha, beta)]
    check_writable(output)
    if threads:
        torch.set_num_threads(threads)

    personal = bundled_concept(concept)
    subject = Concept(personal.placeholder, personal.anchor)
    asked = miniature.context_prompts(personal)[:prompts]
    pipe = bundled_pipeline(personal)
    with progress("Drawing", len(arms) * len(asked) * seeds) as advance:
        comparison = compare(
            pipe,
            subject,
            asked,
            range(seeds),
            arms,
            BUNDLED_DRAWING,
            bundled_measures(personal, subject),
            advance,
        )
    run = {
        "model": "the bundled miniature",
        "concept": f"{personal.name}, “{personal.placeholder}”",
        "anchor": personal.anchor,
        "α": ", ".join(f"{a:g}" for a in alpha),
        "β": beta,
        "seeds": ", ".join(map(str, comparison.seeds)),
        "steps": BUNDLED_DRAWING.num_inference_steps,
        "guidance": BUNDLED_DRAWING.guidance_scale,
        "command": f"uncollapse demo --concept {personal.name} --prompts {prompts} --seeds {seeds}"
        f"{''.join(f' --alpha {a:g}' for a in alpha)} --beta {beta:g}",
    }
    files = save_comparison(comparison, personal.reference_images(), run, output)
    print_comparison(comparison, files, as_json_text=json)
    stderr().print(f"{len(comparison.records)} images in {perf_counter() - start:.0f} s", style="dim")
