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

from ..comparison import ClipMeasure, ContextPrompt, Measure, UserPrompt, middle_measure
from ..components import adapters_in, text_encoders
from ..diagnosis import contexts_for
from ..errors import PipelineError, Setting, UncollapseWarning
from ..models.generation import GenerationSettings
from ..models.loading import image_paths
from ..output import check_writable
from ..reports.page import NextStep
from ..subjects import Parts, Subject, assembled, base_pipeline, measured_subject
from ..tuning import Keep, Tuned, TuneSettings, family, fingerprints
from ..tuning import tune as tune_concept
from ..tuning.report import in_json, save_tuning, sentence, table
from . import options as o
from .album import PictureFolder
from .console import command, print_json, progress, say, stdout, stopped
from .diagnose_next import AS_IT_IS, named_parts
from .diagnose_printing import print_next
from .tables import print_files, print_table
from .typed import line

if TYPE_CHECKING:
    from PIL.Image import Image

OUTPUT = Path("outputs/tune")
PROMPTS = 4


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
    _check_eyes(photos, measured or {}, own=parts.miniature is not None, typed=bool(prompt))
    subject = assembled(parts, placeholder, anchor, how, device=device, dtype=dtype)
    say(subject.notes)
    if parts.lora and not adapters_in(text_encoders(subject.pipe).values()):
        say([f"'{parts.lora}' has no part in the text encoder that could be turned down."])
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


def _check_eyes(photos: Path | None, measured: Mapping[str, Any], *, own: bool, typed: bool) -> None:
    """Somebody must look at the pictures, with something to go by; said before anything is loaded."""
    named = {"photos": photos, **measured}
    if own and not typed and any(named.values()):
        raise PipelineError(
            Setting(next(name for name, value in named.items() if value)),
            " changes nothing: the miniature's judge knows its own concept and its own prompts. Leave it "
            "out, or give a ",
            Setting("prompt"),
            ".",
        )
    if photos and len(image_paths(photos)) == 1:
        warnings.warn(
            f"'{photos}' holds one photo: what is around the subject in it counts as likeness too. Five that "
            "differ in place and pose tell it better.",
            UncollapseWarning,
            stacklevel=2,
        )
    if not own and not (photos and measured):
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
        return prompts, _measures(subject), asked
    if own := subject.bundled:
        drawing = own.miniature.drawing
        given = {name: value for name, value in asdict(asked).items() if name in asked.given()}
        return own.prompts()[::2], own.measures(concept.anchor), replace(drawing, **given)
    shipped = contexts_for(concept.anchor).first(PROMPTS)
    return [UserPrompt(template) for template in shipped.templates], _measures(subject), asked


def _measures(subject: Subject) -> list[Measure]:
    """What the user named; and a CLIP, once it is there, also looks at the subject apart from its place."""
    middles = [
        middle_measure(each.scorer, subject.references)
        for each in subject.measures
        if isinstance(each, ClipMeasure) and subject.references
    ]
    return [*subject.measures, *middles]


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
    named = named_parts(parts, found.concept)
    prompt = found.comparisons[0].prompts[0].template.replace("{}", found.concept.placeholder)
    preset, files = found.preset, {}
    if preset:
        files["preset"] = preset.save(output / "preset.json")
        why, how = "To draw with what was found:", ["--preset", str(files["preset"])]
    else:
        why, how = "To draw with it as it is:", [*AS_IT_IS]
    then = NextStep(why, line("generate", *named, *how, "--prompt", prompt))
    files |= save_tuning(found, photos, run, output, then)
    if as_json_text:
        print_json(in_json(found) | {"files": {name: str(path) for name, path in files.items()}})
        return
    print_table(table(found))
    stdout().print(sentence(found), markup=False)
    stdout().print()
    print_files(files, 14)
    print_next(then)
