"""``uncollapse diagnose``: is a concept collapsing, for a file, a model or a whole training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from ..adjustment import ALPHA, BETA, Adjustment
from ..comparison import parse_arm, told_apart
from ..diagnosis.contexts import Contexts
from ..diagnosis.diagnose import Diagnosis, DiagnosisSettings, diagnosing, noted
from ..diagnosis.pictures import Pictures, PictureSettings, arms_for, draw_pictures
from ..diagnosis.probe import ProbeSettings
from ..errors import PipelineError
from ..learned_embeds.reading import SUFFIXES, files_at
from ..output import check_writable
from ..subjects import Parts, Subject, assembled, base_pipeline, quiet_pipeline
from ..tuning import family, read_preset
from ..weight_files import holds_checkpoint
from . import options as o
from .console import command, progress, say
from .diagnose_contexts import AskedContexts, chosen_contexts
from .diagnose_files import diagnose_files
from .diagnose_next import after_files, after_model
from .diagnose_options import say_what_is_passed_over
from .diagnose_pictures import PictureOptions, picture_settings
from .diagnose_printing import show_diagnoses
from .kept import shown_whatever_happens
from .presets import as_preset
from .typed import typed

OUTPUT = Path("outputs/diagnosis")
TRAJECTORY = "trajectory.json"
TRIED = 4  # of the family of ``tune``, those to be trusted most; each costs as much as the concept itself
FILE_IN_MODEL = "For pictures give the model, and the file with --embedding."


@command
def diagnose(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            help="Embedding file or a folder of them, pipeline folder, hub id, single file or a miniature's "
            "name, or a training's folder; without it, the bundled miniature."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar=o.WORDS,
            help="For embedding files: the model's folder, single file or a miniature's name; repeat for one "
            "an encoder.",
        ),
    ] = None,
    tokenizer: o.Tokenizer = None,
    lora: o.Lora = None,
    embedding: o.Embedding = None,
    custom_diffusion: o.CustomDiffusion = None,
    base: o.Base = None,
    placeholder: o.Placeholder = None,
    anchor: o.Anchor = None,
    contexts: Annotated[
        Path | None, typer.Option(help="Text file of sentences, each with {} or the anchor in one place.")
    ] = None,
    contexts_from_llm: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint that writes new ones: http://…/v1.")
    ] = None,
    llm: Annotated[str, typer.Option(help="The endpoint's name for its model.")] = "default",
    alpha: o.Alpha = ALPHA,
    beta: Annotated[float, typer.Option(help="Norm relative to the anchor's.")] = BETA,
    arm: o.Arms = None,
    preset: o.PresetFile = None,
    anyway: o.Anyway = False,
    probe: Annotated[bool, typer.Option(help="Ask the denoiser too; needed for a verdict.")] = True,
    paper: Annotated[bool, typer.Option("--paper", help="Also the paper's own statistics.")] = False,
    images: Annotated[
        int | None, typer.Option(min=1, help="Also draw pictures, so many a prompt; it takes its time.")
    ] = None,
    references: o.References = None,
    measured: o.Measured = None,
    steps: o.Steps = None,
    guidance: o.Guidance = None,
    output: o.Output = OUTPUT,
    device: o.Device = None,
    dtype: o.Dtype = None,
    threads: o.Threads = None,
    json: o.Json = False,
) -> None:
    """Measure what a concept does to the rest of the prompt: dominating, healthy or overlooked.

    An embedding file is compared with the words of --model in a second; a model's text encoder and
    denoiser are asked about many contexts. Writes a report with figures, and the results as JSON.
    """
    check_writable(output)
    if threads:
        torch.set_num_threads(threads)
    path = Path(target).expanduser() if target else None
    given = typed(context)
    asked = AskedContexts(contexts, contexts_from_llm, llm)
    drawn = PictureOptions(
        images, references, measured or {}, steps, guidance, [parse_arm(text) for text in arm or ()]
    )
    if path and (path.name == TRAJECTORY or (path / TRAJECTORY).is_file()):
        from .diagnose_training import diagnose_training

        if model and len(model) > 1:
            raise PipelineError(f"A training has one base model; --model names {len(model)}. Give one.")
        base_model = model[0] if model else base
        load = partial(quiet_pipeline, device=device, dtype=dtype)
        diagnose_training(path, output, base_model, load, asked, drawn, given, as_json_text=json)
    elif path and path.exists() and not _is_model(path):
        if images:
            raise PipelineError(f"'{path}' draws nothing. {FILE_IN_MODEL}")
        say_what_is_passed_over("files", given)
        found, skipped = diagnose_files(path, model, tokenizer, anchor, Adjustment(alpha, beta))
        then = after_files(found, model or (), given, output)
        show_diagnoses(found, output, then, skipped=skipped, as_json_text=json)
    elif path and path.suffix.lower() in SUFFIXES and not path.exists():
        files_at(path)  # which says that there is none
    else:
        parts = Parts(target, lora, embedding, custom_diffusion)
        say_what_is_passed_over("model", given, own=parts.miniature is not None)
        tuned = read_preset(preset) if preset else None
        how: dict[str, str] = {}
        if tuned:
            placeholder, anchor, how = as_preset(tuned.concept, placeholder, anchor)
        subject = assembled(parts, placeholder, anchor, how, device=device, dtype=dtype)
        say(subject.notes)
        if tuned and not anyway:
            tuned.check(subject.pipe)
        subject.pipe.set_progress_bar_config(disable=True)  # there is one of all pictures
        original = base_pipeline(base, parts, device=device, dtype=dtype)
        shipped = subject.bundled.contexts() if subject.bundled else None
        sentences = chosen_contexts(subject.pipe, subject.concept, asked, shipped, output)
        given_arms = [*([tuned.arm] if tuned else []), *drawn.arms]
        drawn = replace(drawn, arms=given_arms)
        pictures = picture_settings(drawn, subject.concept, sentences, asked, subject.bundled)
        likely = map(parse_arm, family(subject.pipe, subject.concept)[:TRIED])
        settings = DiagnosisSettings(
            arms=told_apart([*given_arms, *likely]),
            probe=ProbeSettings() if probe else None,
            as_published=paper,
        )

        def show(known: Diagnosis) -> None:
            seen = subject.bundled is not None
            then = after_model(
                known, parts, subject.concept, sentences, given, seen=seen, tuned=tuned.arm if tuned else None
            )
            show_diagnoses([known], output, then, as_json_text=json)

        _diagnose_model(subject, original, sentences, settings, pictures, show)


def _is_model(path: Path) -> bool:
    return (path / "model_index.json").is_file() or holds_checkpoint(path)


def _diagnose_model(
    subject: Subject,
    base: Any,
    contexts: Contexts,
    settings: DiagnosisSettings,
    pictures: PictureSettings | None,
    show: Callable[[Diagnosis], None],
) -> None:
    """Measure, and draw where that was asked for; whatever was done is shown, also after Ctrl-C."""
    name = str(subject.run.get("LoRA") or subject.run.get("embedding") or subject.run["model"])
    with shown_whatever_happens(show, noted) as kept:
        with progress("Asking", 3 + len(settings.arms)) as advance:
            asked = diagnosing(
                subject.pipe, subject.concept, contexts, settings, base=base, subject=name, on_step=advance
            )
            for kept.known in asked:
                pass
        asked_only = kept.known
        if pictures is not None and asked_only is not None:
            for drawn in _drawn(subject, base, pictures, asked_only):
                kept.known = replace(asked_only, pictures=drawn)


def _drawn(subject: Subject, base: Any, pictures: PictureSettings, known: Diagnosis) -> Iterator[Pictures]:
    """The base model, the concept as it is, and with the adjustment that is proposed, if there is one."""
    advice = known.verdict.advice if known.verdict else None
    proposed = arms_for(subject.pipe, subject.concept, base, advice.arm if advice else None)
    arms = told_apart([*proposed, *pictures.arms])
    with progress("Drawing", len(arms) * len(pictures.prompts) * len(pictures.seeds)) as advance:
        yield from draw_pictures(subject.pipe, subject.concept, pictures, arms, base=base, on_images=advance)
