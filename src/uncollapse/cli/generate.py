"""``uncollapse generate``: adjusted images of a concept, from the user's model or the bundled one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ..adjustment import ALPHA
from ..comparison import (
    BASE,
    PERSONALISED,
    Arm,
    Comparison,
    UserPrompt,
    parse_arm,
    tea_arms,
    told_apart,
)
from ..comparison import compare as compare_arms
from ..concept import Concept
from ..errors import AdjustmentError, PipelineError, Setting, UncollapseWarning
from ..models.generation import GenerationSettings
from ..output import check_writable
from ..pipelines import level_of
from ..placeholders import mentions
from ..subjects import Parts, Subject, assembled, measured_subject
from ..tuning import fingerprints, read_preset
from . import options as o
from .album import PictureFolder
from .comparing import drawing, print_comparison, save_comparison
from .console import command, print_json, say, stdout, stopped
from .diagnose_next import after_drawing
from .presets import as_preset

OUTPUT = Path("outputs/generate")
NOT_TUNED = (
    f"α {ALPHA:g} is the paper's and changes little of many a LoRA. Ours is --alpha 0/1/1 --beta 1; and "
    "uncollapse tune measures which strength this one wants."
)


@command
def generate(
    prompt: o.Prompts,
    model: o.Model = None,
    lora: o.Lora = None,
    embedding: o.Embedding = None,
    custom_diffusion: o.CustomDiffusion = None,
    placeholder: o.Placeholder = None,
    anchor: o.Anchor = None,
    alpha: o.Alphas = None,
    beta: o.Beta = None,
    norm_blend: o.NormBlend = None,
    arm: o.Arms = None,
    preset: o.PresetFile = None,
    anyway: o.Anyway = False,
    level: o.Level = "auto",
    anchor_encoder: o.AnchorEncoder = "base",
    negative_encoder: o.NegativeEncoder = "tuned",
    encoders: o.Encoders = "all",
    seed: o.Seed = 0,
    num_images: o.NumImages = 4,
    negative_prompt: o.NegativePrompt = None,
    steps: o.Steps = None,
    guidance: o.Guidance = None,
    height: o.Height = None,
    width: o.Width = None,
    batch_size: o.BatchSize = 4,
    output: o.Output = OUTPUT,
    resume: o.ResumeDrawing = False,
    compare: o.Compare = False,
    references: o.References = None,
    measured: o.Measured = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    threads: o.Threads = None,
    json: o.Json = False,
) -> None:
    """Generate images of a personalised concept, its embedding adjusted at test time.

    Without --alpha, --arm and --preset the paper's α is taken, 0.2; of a LoRA it often changes little, and
    uncollapse tune measures what does.

    With --compare: the same prompts and seeds by the base model, the personalised one and the adjusted one,
    as a contact sheet and a report. A picture that was made with other settings is never replaced.
    """
    chosen = read_preset(preset) if preset else None
    _check_norm_rule(alpha, arm or chosen, beta, norm_blend)
    alphas = alpha or ([] if arm or chosen else [ALPHA])
    arms = [*([chosen.arm] if chosen else []), *tea_arms(alphas, o.norm_rule(beta, norm_blend), norm_blend)]
    arms = told_apart([*arms, *map(parse_arm, arm or ())])
    measured = measured or {}
    settings = GenerationSettings(steps, guidance, negative_prompt, height, width, batch_size)
    _check_effect(
        settings, negative_encoder, compare=compare, only_compared={"references": references, **measured}
    )
    check_writable(output)
    if threads:
        torch.set_num_threads(threads)
    how = {
        "level": level,
        "anchor_encoder": anchor_encoder,
        "negative_encoder": negative_encoder,
        "encoders": encoders,
    }
    if chosen:
        placeholder, anchor, how = as_preset(chosen.concept, placeholder, anchor, how)
    parts = Parts(model, lora, embedding, custom_diffusion)
    subject = assembled(parts, placeholder, anchor, how, device=device, dtype=dtype)
    say(subject.notes)
    if chosen and not anyway:
        chosen.check(subject.pipe)
    subject.pipe.set_progress_bar_config(disable=True)  # there is one of all pictures
    _check_level(subject)
    if lora and not (alpha or arm or chosen) and level_of(subject.pipe, subject.concept) == "prompt":
        say([NOT_TUNED])
    if compare:
        subject = measured_subject(subject, references, measured)
        arms = [*_base_arm(subject), PERSONALISED, *arms]
    _warn_of_missing_placeholder(prompt, subject.concept)
    prompts = [UserPrompt.around(subject.concept.placeholder, text) for text in prompt]
    seeds = range(seed, seed + num_images)
    run = subject.run | {"β": beta, "norm blend": norm_blend} | how | settings.given()
    made_by = run | {"weights": fingerprints(subject.pipe, subject.concept)}  # a file may be trained anew
    album = PictureFolder(output, made_by, len(prompts), resume=resume)
    try:
        with drawing(arms, prompts, seeds) as advance:
            comparison = compare_arms(
                subject.pipe,
                subject.concept,
                prompts,
                seeds,
                arms,
                settings,
                subject.measures,
                advance,
                album=album,
            )
    except KeyboardInterrupt:
        given = [each for each in sys.argv[1:] if each != "--resume"]
        raise stopped(album.says, [*given, "--resume"]) from None
    files: dict[str, Path] = {}
    if compare:
        looked_at = {"references": references and str(references), **measured}
        files = save_comparison(
            comparison, subject.references, run | looked_at, output, after_drawing(parts, subject.concept)
        )
    _print(comparison, files, as_json_text=json)


def _check_norm_rule(alpha: object, instead: object, beta: float | None, norm_blend: float | None) -> None:
    """Raise AdjustmentError for a rule of the norm where no --alpha asks for TEA."""
    rules = {"beta": beta, "norm_blend": norm_blend}
    for name in (name for name, value in rules.items() if value is not None and instead and not alpha):
        raise AdjustmentError(
            Setting(name),
            " goes with ",
            Setting("alpha"),
            ", which is not given. Say it in ",
            Setting("arm"),
            ", as in tea:alpha=0.6,beta=1, or leave it out.",
        )


def _check_effect(
    settings: GenerationSettings, negative_encoder: str, *, compare: bool, only_compared: Mapping[str, object]
) -> None:
    """Raise PipelineError for an option that would change nothing."""
    unused = [name for name, value in only_compared.items() if value]
    if unused and not compare:
        raise PipelineError(
            Setting(unused[0]), " is for ", Setting("compare"), ": add that, or leave this out."
        )
    steered = {
        "negative_prompt": settings.negative_prompt,
        "negative_encoder": negative_encoder != "tuned",
    }
    unused = [name for name, value in steered.items() if value]
    if unused and settings.guidance_scale is not None and settings.guidance_scale <= 1:
        raise PipelineError(
            Setting(unused[0]),
            " changes nothing with ",
            Setting("guidance_scale"),
            f" {settings.guidance_scale:g}, which leads away from nothing. Leave it out, or use a guidance "
            "above 1.",
        )


def _check_level(subject: Subject) -> None:
    """At token level rows of the table are moved, and nobody encodes an anchor."""
    concept = subject.concept
    if level_of(subject.pipe, concept) == "token":
        for name, usual in (("anchor_encoder", "base"), ("negative_encoder", "tuned")):
            if getattr(concept, name) != usual:
                raise PipelineError(
                    Setting(name),
                    f" changes nothing at token level, where '{concept.placeholder}' is adjusted. Leave it "
                    "out, or add ",
                    Setting("level"),
                    " prompt.",
                )


def _base_arm(subject: Subject) -> list[Arm]:
    """The base model, where one is left when the personalisation is put aside."""
    if subject.has_base:
        return [BASE]
    warnings.warn(
        "Custom Diffusion has changed the model itself: no base model is drawn."
        if subject.run.get("Custom Diffusion")
        else "Without --lora or --embedding the model itself is taken to be personalised: no base model is "
        "drawn.",
        UncollapseWarning,
        stacklevel=2,
    )
    return []


def _warn_of_missing_placeholder(prompts: Sequence[str], concept: Concept) -> None:
    """Once a prompt, before the work; the library would say it once a batch."""
    for prompt in prompts:
        if not mentions(prompt, concept.placeholder):
            text = f"'{prompt}' does not mention '{concept.placeholder}', so it is drawn unadjusted."
            warnings.warn(text, UncollapseWarning, stacklevel=2)
    warnings.filterwarnings("ignore", "nothing is adjusted: the prompt", UncollapseWarning)


def _print(comparison: Comparison, files: dict[str, Path], *, as_json_text: bool) -> None:
    images = [record.file for record in comparison.records]
    if files:
        print_comparison(comparison, files, as_json_text=as_json_text)
    elif as_json_text:
        print_json({"images": [str(path) for path in images]})
    else:
        for path in images:
            stdout().print(path, markup=False, soft_wrap=True)
