"""``uncollapse demo``: a collapsed personalised model, seen and adjusted, offline."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import torch
import typer

from ..adjusters import ByRole
from ..comparison import BASE, PERSONALISED, compare, parse_arm, tea_arms, told_apart
from ..output import check_writable
from ..subjects import BUNDLED_BETA, Parts, bundled, chosen_miniature
from . import options as o
from .comparing import drawing, print_comparison, save_comparison
from .console import command, stderr
from .diagnose_next import after_drawing

ALPHAS: list[float | ByRole] = [
    0.2,
    ByRole(0, 1, 1),
]  # the paper's, and the best of a grid: benchmarks/rivals.py
ARMS = ["lora:text=0.25"]  # the best there that adjusts nothing
OUTPUT = Path("outputs/demo")


@command
def demo(
    output: o.Output = OUTPUT,
    concept: Annotated[str | None, typer.Option(help="A bundled concept, by name or placeholder.")] = None,
    miniature: str | None = None,
    prompts: Annotated[int, typer.Option(min=1, help="How many prompts.")] = 6,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds for each prompt.")] = 3,
    alpha: o.Alphas = None,
    arm: o.Arms = None,
    beta: Annotated[float, typer.Option(help="Norm relative to the anchor's.")] = BUNDLED_BETA,
    threads: o.Threads = None,
    json: o.Json = False,
) -> None:
    """See a personalised model that has collapsed, and what test-time adjustment does about it.

    Draws the same prompts and seeds with the base model, the personalised one, and the personalised one
    with the adjustment, on the bundled miniature model; by default also with the best that can be done
    without one. Needs no network and no GPU.
    """
    start = perf_counter()
    alphas: list[float | ByRole] = alpha or ([] if arm else ALPHAS)
    others = arm or ([] if alpha else ARMS)
    arms = told_apart([BASE, PERSONALISED, *tea_arms(alphas, beta), *map(parse_arm, others)])
    check_writable(output)
    if threads:
        torch.set_num_threads(threads)

    own = bundled(concept, chosen_miniature(miniature))
    personal, subject, settings = own.personal, own.concept(), own.miniature.drawing
    asked = own.prompts()[:prompts]
    pipe = own.pipeline()
    with drawing(arms, asked, range(seeds)) as advance:
        comparison = compare(
            pipe,
            subject,
            asked,
            range(seeds),
            arms,
            settings,
            own.measures(subject.anchor),
            advance,
        )
    run = {
        "model": own.miniature.title,
        "concept": f"{personal.name}, “{personal.placeholder}”",
        "anchor": personal.anchor,
        "α": ", ".join(f"{a:g}" for a in alphas) or None,
        "β": beta,
        "seeds": ", ".join(map(str, comparison.seeds)),
        "steps": settings.num_inference_steps,
        "guidance": settings.guidance_scale,
        "command": f"uncollapse demo --concept {personal.name} --prompts {prompts} --seeds {seeds}"
        f"{f' --miniature {miniature}' if miniature else ''}"
        f"{''.join(f' --alpha {a:g}' for a in alphas)}{f' --beta {beta:g}' if alphas else ''}"
        f"{''.join(f' --arm {text}' for text in others)}",
    }
    files = save_comparison(comparison, own.photos(), run, output, after_drawing(Parts(miniature), subject))
    print_comparison(comparison, files, as_json_text=json)
    stderr().print(f"{len(comparison.records)} images in {perf_counter() - start:.0f} s", style="dim")
