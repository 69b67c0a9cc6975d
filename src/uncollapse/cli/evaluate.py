"""``uncollapse evaluate``: many concepts, methods and arms; a run is a folder that each command goes on with.

    plan      what is to be drawn
    draw      the pictures
    score     what they are worth
    judge     what a vision-language model thinks of them
    label     what people think of them
    report    what it comes to
    diff      whether two runs say the same
    import    pictures that others drew, and scores that others published
    export    pictures and figures for other programs

A run that is not complete ends its command with 3.
"""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import shorten
from typing import Annotated

import torch
import typer

from ..adjustment import ALPHA
from ..comparison import tea_arms
from ..errors import FileFormatError, Setting
from ..evaluation import Plan, Run, Shard, bundled_methods, read_methods
from ..evaluation import plan as make_plan
from ..models.generation import GenerationSettings
from ..output import check_writable
from ..subjects import BUNDLED_BETA, chosen_miniature, miniature_called
from . import options as o
from .console import command, print_json, progress, say, stdout, stopped
from .evaluate_diff import diff
from .evaluate_files import export, import_
from .evaluate_judge import judge
from .evaluate_label import label
from .evaluate_report import INCOMPLETE, report
from .evaluate_score import score
from .evaluate_suites import BUNDLED, Concepts, Data, Split, SuiteName, chosen_suite
from .registered import with_registered
from .typed import line

__all__ = ["evaluate_app"]

HELP = "Draw, score and compare many concepts, methods and arms."

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")]


def evaluate_app() -> typer.Typer:
    """All commands on runs."""
    app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help=HELP)
    app.command("plan", short_help="Say what is to be drawn.")(with_registered(plan))
    app.command("draw", short_help="Draw the pictures, or go on with it.")(draw)
    app.command("score", short_help="Measure the pictures.")(score)
    app.command("judge", short_help="Ask a vision-language model about the pictures.")(judge)
    app.command("label", short_help="Write a page on which people rate pictures.")(label)
    app.command("report", short_help="Report what every arm gains, and how surely.")(report)
    app.command("diff", short_help="Tell two runs apart.")(diff)
    app.command("import", short_help="Take in pictures or scores of others.")(import_)
    app.command("export", short_help="Give out pictures with their figures.")(export)
    return app


@command
def plan(
    output: o.Output,
    suite: SuiteName = None,
    data: Data = None,
    concept: Concepts = None,
    split: Split = None,
    methods: Annotated[
        Path | None, typer.Option(help="TOML of the base model and of each method's weights.")
    ] = None,
    alpha: o.Alphas = None,
    beta: o.Beta = None,
    norm_blend: o.NormBlend = None,
    arm: o.Arms = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds of every prompt.")] = 8,
    negative_prompt: o.NegativePrompt = None,
    steps: o.Steps = None,
    guidance: o.Guidance = None,
    height: o.Height = None,
    width: o.Width = None,
    batch_size: o.BatchSize = 4,
    json: o.Json = False,
) -> None:
    """Plan every concept, method, arm, prompt and seed of an evaluation; nothing is drawn yet.

    The base model and the personalised one are always drawn; without --alpha and --arm the paper's α too.
    Batches belong to the plan: a picture may differ by a level in a batch of another size.
    """
    check_writable(output)
    chosen = chosen_suite(suite, data, concept, split)
    if methods is None and chosen.name != BUNDLED:
        raise FileFormatError(
            "How were the concepts taught? Say where their weights are in a TOML file, and give it with ",
            Setting("methods"),
            ".",
        )
    base, taught = read_methods(methods) if methods else bundled_methods()
    rule = o.norm_rule(beta, norm_blend)
    settings = GenerationSettings(steps, guidance, negative_prompt, height, width, batch_size)
    if miniature_called(base.model or "") or base.model is None:
        usual = chosen_miniature(base.model).drawing
        settings = GenerationSettings(
            steps or usual.num_inference_steps,
            usual.guidance_scale if guidance is None else guidance,
            negative_prompt,
            height,
            width,
            batch_size,
        )
        rule = BUNDLED_BETA if beta is None and norm_blend is None else rule
    arms = tea_arms(alpha or ([] if arm else [ALPHA]), rule, norm_blend)
    made = make_plan(
        chosen, base, taught, ["base", "personalised", *arms, *(arm or ())], range(seeds), settings
    )
    run = Run(output, made)
    say(chosen.notes)
    _print_plan(run, as_json_text=json)
    say(["Next:", line("evaluate", "draw", str(output))])


def _print_plan(run: Run, *, as_json_text: bool) -> None:
    planned: Plan = run.plan
    prompts = sum(len(concept.prompts) for concept in planned.suite.concepts)
    counts = {
        "concepts": len(planned.suite.concepts),
        "prompts": prompts,
        "seeds": len(planned.seeds),
        "methods": [method.name for method in planned.methods],
        "arms": list(planned.named_arms),
        "figures a score": len(planned.rows),
        "pictures": run.progress.pictures,
        "drawn": run.progress.drawn,
    }
    if as_json_text:
        print_json(counts)
        return
    for name, value in counts.items():
        told = f"{len(value)}: {', '.join(value)}" if isinstance(value, list) else str(value)
        stdout().print(f"{name:16} {told}", markup=False, soft_wrap=True)


@command
def draw(
    run: RunFolder,
    shard: Annotated[
        str | None, typer.Option(help="Only a part of it, for arrays of jobs: 3/16, the third of sixteen.")
    ] = None,
    device: o.Device = None,
    threads: o.Threads = None,
    json: o.Json = False,
) -> None:
    """Draw what a run lacks: begun, stopped, killed, moved to another machine, or in parts at once.

    What could not be drawn is counted, kept as rows, and tried again by the next call.
    """
    if threads:
        torch.set_num_threads(threads)
    opened = Run(run)
    part = Shard.parsed(shard) if shard else None
    left = sum(len(batch.jobs) for batch in opened.todo)
    jobs = [job for batch in opened.todo for job in batch.jobs]

    def doing(done: int) -> str:
        if part or done >= len(jobs):
            return ""
        return f"{jobs[done].concept}: {shorten(jobs[done].text, 30, placeholder=' …')}"

    try:
        with progress("Drawing", left if part is None else -(-left // part.count), doing) as advance:
            opened.draw(part, device=device, on_images=advance)
    except KeyboardInterrupt:
        there = opened.progress
        said = f"{there.drawn} of {there.pictures} pictures are in '{run}'"
        raise stopped(said, [*sys.argv[1:]]) from None
    _end(opened, run, part, as_json_text=json)


def _end(opened: Run, run: Path, part: Shard | None, *, as_json_text: bool) -> None:
    """Say how far it is; 3 where something is missing."""
    there = opened.progress
    if as_json_text:
        print_json({"pictures": there.pictures, "drawn": there.drawn, "errors": there.errors})
    else:
        stdout().print(f"{there.drawn} of {there.pictures} pictures are drawn.", markup=False)
        for error, count in there.errors.items():
            stdout().print(f"{count} failed: {error}", markup=False, soft_wrap=True)
    if there.complete:
        say(["Next:", line("evaluate", "score", str(run), "--profile", "uncollapse")])
        return
    if not there.errors and part:
        say([f"The other parts of {part.count} are missing."])
        return
    missing = [job.id[:12] for batch in opened.todo for job in batch.jobs]
    say([f"Missing jobs: {', '.join(missing[:8])}{' …' if len(missing) > 8 else ''}"])
    raise typer.Exit(INCOMPLETE)
