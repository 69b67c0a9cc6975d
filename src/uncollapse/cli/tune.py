"""``uncollapse tune``: which adjustment serves this concept, measured, and kept as a preset."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
import typer

from ..comparison import BASE, PERSONALISED, Comparison, ContextPrompt, Measure, UserPrompt
from ..diagnosis import contexts_for
from ..errors import PipelineError, Setting, UncollapseWarning
from ..models.generation import GenerationSettings
from ..output import check_writable, save_json
from ..reports.page import NextStep
from ..reports.table import Table
from ..subjects import Parts, Subject, assembled, base_pipeline, measured_subject
from ..tuning import Keep, Tuned, TuneSettings, family, fingerprints
from ..tuning import tune as tune_concept
from . import options as o
from .album import PictureFolder
from .comparing import save_comparison
from .console import command, print_json, progress, say, stdout, stopped
from .diagnose_next import named_parts
from .tables import print_files, print_table
from .typed import line

if TYPE_CHECKING:
    from PIL.Image import Image

OUTPUT = Path("outputs/tune")
PROMPTS = 4
OUT_OF_REACH = 0.25  # of the lost context: less is what no text brings back


@command
def tune(
    model: o.Model = None,
    lora: o.Lora = None,
    embedding: o.Embedding = None,
    custom_diffusion: o.CustomDiffusion = None,
    base: o.Base = None,
    placeholder: o.Placeholder = None,
    anchor: o.Anchor = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos of the subject, which the likeness is measured by.")
    ] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            metavar=o.WORDS,
            help="What to try it on, four or more unlike each other; by default shipped ones.",
        ),
    ] = None,
    keep: Annotated[
        str, typer.Option(help='What you would rather keep: balance, "likeness 95%" or "context 95%".')
    ] = "balance",
    pictures: Annotated[int, typer.Option(min=1, help="At most so many are drawn.")] = 60,
    rounds: Annotated[int, typer.Option(min=1, help="Of drawing, a seed each; the best draw in all.")] = 3,
    seed: o.Seed = 0,
    level: o.Level = "auto",
    anchor_encoder: o.AnchorEncoder = "base",
    negative_encoder: o.NegativeEncoder = "tuned",
    negative_prompt: o.NegativePrompt = None,
    steps: o.Steps = None,
    guidance: o.Guidance = None,
    height: o.Height = None,
    width: o.Width = None,
    batch_size: o.BatchSize = 4,
    output: o.Output = OUTPUT,
    measured: o.Measured = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    threads: o.Threads = None,
    json: o.Json = False,
) -> None:
    """Find the adjustment that serves a concept best, with a few pictures, and keep it as a preset.

    The denoiser is asked first what it hears of the context under each of about a dozen adjustments, and
    under the LoRA turned down; the best draw pictures, which are measured. The same command goes on where one
    was stopped. generate and bake take the preset.
    """
    settings = TuneSettings(Keep.parsed(keep), pictures, rounds, seed)
    asked = GenerationSettings(steps, guidance, negative_prompt, height, width, batch_size)
    check_writable(output)
    if threads:
        torch.set_num_threads(threads)
    how = {"level": level, "anchor_encoder": anchor_encoder, "negative_encoder": negative_encoder}
    parts = Parts(model, lora, embedding, custom_diffusion)
    if not parts.miniature:
        _check_eyes(photos, measured or {})
    subject = assembled(parts, placeholder, anchor, how, device=device, dtype=dtype)
    say(subject.notes)
    subject.pipe.set_progress_bar_config(disable=True)
    original = base_pipeline(base, parts, device=device, dtype=dtype)
    if photos or measured:
        subject = measured_subject(subject, photos, measured or {})
    prompts, measures, asked = _trial(subject, prompt, asked)
    ways = family(subject.pipe, subject.concept)
    settings = replace(settings, ways=ways)
    run = subject.run | how | asked.given()
    made_by = run | {"weights": fingerprints(subject.pipe, subject.concept)}  # a file may be trained anew
    album = PictureFolder(output / "pictures", made_by, len(prompts), resume=True)
    try:
        with _tuning(len(ways), pictures) as on_step:
            found = tune_concept(
                subject.pipe,
                subject.concept,
                prompts,
                measures,
                settings,
                asked,
                base=original,
                album=album,
                on_step=on_step,
            )
    except KeyboardInterrupt:
        raise stopped(album.says, sys.argv[1:]) from None
    _show(found, parts, subject.references, run, output, as_json_text=json)


def _check_eyes(photos: Path | None, measured: Mapping[str, Any]) -> None:
    """Somebody must look at the pictures; said before anything is loaded."""
    if not photos or not measured:
        raise PipelineError(
            "What is kept of the context and of the likeness has to be measured: give ",
            Setting("photos"),
            ", a folder of photos of the subject, and ",
            Setting("clip"),
            ", a CLIP that scores pictures.",
        )


def _trial(
    subject: Subject, typed: Sequence[str] | None, asked: GenerationSettings
) -> tuple[Sequence[ContextPrompt], Sequence[Measure], GenerationSettings]:
    """What is drawn, who looks at it, and how; a miniature's judge knows its own prompts alone."""
    concept = subject.concept
    if typed:
        prompts = [UserPrompt.around(concept.placeholder, text) for text in typed]
        lacking = [text for text, made in zip(typed, prompts, strict=True) if "{}" not in made.template]
        if lacking:
            raise PipelineError(f"'{lacking[0]}' does not mention '{concept.placeholder}'. Put it in.")
        if len(prompts) < PROMPTS:
            warnings.warn(
                f"{len(prompts)} prompt{'s are' if len(prompts) > 1 else ' is'} few to tell a strength by; "
                f"{PROMPTS} or more that are unlike each other tell it better.",
                UncollapseWarning,
                stacklevel=2,
            )
        return prompts, subject.measures, asked
    if own := subject.bundled:
        drawing = own.miniature.drawing
        given = {name: value for name, value in asdict(asked).items() if name in asked.given()}
        return own.prompts()[::2], own.measures(concept.anchor), replace(drawing, **given)
    shipped = contexts_for(concept.anchor).first(PROMPTS)
    return [UserPrompt(template) for template in shipped.templates], subject.measures, asked


@contextmanager
def _tuning(ways: int, pictures: int) -> Iterator[Callable[[str, int], None]]:
    def doing(done: int) -> str:
        return "asking the denoiser" if done < ways else "drawing and measuring"

    with progress("Tuning", ways + pictures, doing) as advance:
        yield lambda what, count: advance(count)


def _show(
    found: Tuned,
    parts: Parts,
    photos: Sequence[Image],
    run: Mapping[str, object],
    output: Path,
    *,
    as_json_text: bool,
) -> None:
    """Files, table, sentence, what to run next."""
    says = _sentence(found)
    files: dict[str, Path] = {}
    preset = found.preset
    named = named_parts(parts, found.concept)
    if preset:
        path = output / "preset.json"
        prompt = found.comparisons[0].prompts[0].template.replace("{}", found.concept.placeholder)
        command = line("generate", *named, "--preset", str(path), "--prompt", prompt)
        then = NextStep("To draw with what was found:", command)
        shown = _best_beside_the_rest(found)
        files = {"preset": preset.save(path), **save_comparison(shown, photos, dict(run), output, then)}
    data = {
        "keep": str(found.keep),
        "says": says,
        "chosen": asdict(found.chosen) if found.chosen else None,
        "candidates": [asdict(each) for each in found.candidates],
        "pictures": found.drawn,
        "files": {name: str(path) for name, path in files.items()},
    }
    save_json(data, output / "tuning.json")
    if as_json_text:
        print_json(data)
        return
    print_table(_table(found))
    stdout().print(says, markup=False)
    if preset:
        stdout().print()
        print_files(files, 14)
        stdout().print(f"\n{then.why}\n{then.command}", markup=False, soft_wrap=True)


def _best_beside_the_rest(found: Tuned) -> Comparison:
    """The first round's pictures: of both models, of what was chosen, and of the runner-up."""
    first = found.comparisons[0]
    best = [each.arm.name for each in found.candidates if each.pictures][:2]
    arms = [arm for arm in first.arms if arm in (BASE, PERSONALISED)]
    arms += [arm for name in best for arm in first.arms if arm.name == name]
    names = {arm.name for arm in arms}
    return replace(first, arms=tuple(arms), records=tuple(r for r in first.records if r.arm in names))


def _table(found: Tuned) -> Table:
    rows = [
        [each.arm.name, each.heard, _percent(each.context), _percent(each.likeness), each.pictures or None]
        for each in found.candidates
    ]
    head = ["way", "heard", "context back", "likeness left", "pictures"]
    return Table("What was tried", head, rows, align="lrrrr")


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.0f}%"


def _sentence(found: Tuned) -> str:
    if found.says:
        return found.says
    best = found.chosen
    assert best is not None
    assert best.context is not None
    assert best.likeness is not None
    figures = (
        f"{_percent(best.context)} of the context that was lost is back and {_percent(best.likeness)} of the "
        f"likeness is left, over {best.pictures} pictures"
    )
    says = f"Best for “{found.keep}”: {best.arm.name}; {figures}."
    if not found.keep.met(best.context, best.likeness):
        says += f" None of those that were tried keeps {found.keep}; this one comes nearest."
    if best.context < OUT_OF_REACH:
        says += (
            " So little comes back that the collapse seems to sit in the denoiser, which the text does not "
            "reach: an earlier checkpoint may serve better."
        )
    if best.arm.adjuster is None:
        says += " That is the LoRA turned down, and no adjustment: any program can do it."
    return says
