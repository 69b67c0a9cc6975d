"""``uncollapse generate``: adjusted images of a concept, from the user's model or the bundled one."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..adjustment import ALPHA
from ..comparison import (
    BASE,
    PERSONALISED,
    Album,
    Arm,
    Comparison,
    UserPrompt,
    parse_arm,
    tea_arms,
    told_apart,
)
from ..comparison import compare as compare_arms
from ..concept import Concept
from ..errors import PipelineError, Setting, UncollapseWarning
from ..models.generation import GenerationSettings
from ..output import check_writable, save_png, saved_settings
from ..placeholders import mentions
from ..subjects import Parts, Subject, assembled, measured_subject
from . import options as o
from .comparing import drawing, print_comparison, save_comparison
from .console import command, print_json, say, stdout, stopped
from .diagnose_next import after_drawing

if TYPE_CHECKING:
    from PIL.Image import Image

ALPHAS = [ALPHA]
OUTPUT = Path("outputs/generate")


@command
def generate(
    prompt: o.Prompts,
    model: o.Model = None,
    lora: o.Lora = None,
    embedding: o.Embedding = None,
    custom_diffusion: o.CustomDiffusion = None,
    placeholder: o.Placeholder = None,
    anchor: o.Anchor = None,
    alpha: o.Alphas = ALPHAS,
    beta: o.Beta = None,
    norm_blend: o.NormBlend = None,
    arm: o.Arms = None,
    level: o.Level = "auto",
    anchor_encoder: o.AnchorEncoder = "base",
    negative_encoder: o.NegativeEncoder = "tuned",
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

    With --compare: the same prompts and seeds by the base model, the personalised one and the adjusted one,
    as a contact sheet and a report. A picture that was made with other settings is never replaced.
    """
    arms = tea_arms(alpha, o.norm_rule(beta, norm_blend), norm_blend)
    arms = told_apart([*arms, *map(parse_arm, arm or ())])
    measured = measured or {}
    settings = GenerationSettings(steps, guidance, negative_prompt, height, width, batch_size)
    _check_effect(
        settings, negative_encoder, compare=compare, only_compared={"references": references, **measured}
    )
    check_writable(output)
    if threads:
        torch.set_num_threads(threads)
    how = {"level": level, "anchor_encoder": anchor_encoder, "negative_encoder": negative_encoder}
    parts = Parts(model, lora, embedding, custom_diffusion)
    subject = assembled(parts, placeholder, anchor, how, device=device, dtype=dtype)
    say(subject.notes)
    subject.pipe.set_progress_bar_config(disable=True)  # there is one of all pictures
    _check_level(subject.concept, parts)
    if compare:
        subject = measured_subject(subject, references, measured)
        arms = [*_base_arm(subject), PERSONALISED, *arms]
    _warn_of_missing_placeholder(prompt, subject.concept)
    prompts = [UserPrompt.around(subject.concept.placeholder, text) for text in prompt]
    seeds = range(seed, seed + num_images)
    run = subject.run | {"β": beta, "norm blend": norm_blend} | how | settings.given()
    album = _Album(output, run, len(prompts), resume=resume)
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
        there = len(album.names)
        given = [each for each in sys.argv[1:] if each != "--resume"]
        what = f"{there} picture{'s are' if there != 1 else ' is'} in '{output}'"
        raise stopped(what, [*given, "--resume"]) from None
    files: dict[str, Path] = {}
    if compare:
        looked_at = {"references": references and str(references), **measured}
        files = save_comparison(
            comparison, subject.references, run | looked_at, output, after_drawing(parts, subject.concept)
        )
    _print(comparison, files, as_json_text=json)


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


def _check_level(concept: Concept, parts: Parts) -> None:
    """At token level rows of the table are moved, and nobody encodes an anchor."""
    learned = bool(parts.embedding) and len(concept.placeholder.split()) == 1
    if concept.level == "token" or (concept.level == "auto" and learned):
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


class _Album(Album):
    """A PNG for each record, its settings inside; the name says prompt, arm and seed.

    A picture of other settings keeps its name, and the new one gets a number.

    Args:
        prompts: how many there are; they may begin alike, so several are numbered.
        resume: whether a picture that was made with the same settings is taken as it is.
    """

    lasting = True

    def __init__(self, folder: Path, run: dict[str, object], prompts: int, *, resume: bool = False) -> None:
        super().__init__()
        self.folder, self.run, self.prompts, self.resume = folder, run, prompts, resume
        self.names: set[Path] = set()

    def found(self, arm: Arm, asked: str, prompt: int, seed: int) -> Path | None:
        path = self._path(arm, asked, prompt, seed)
        if not (self.resume and path.exists()):
            return None
        self.names.add(path)
        return path

    def keep(self, image: Image, arm: Arm, asked: str, prompt: int, seed: int) -> Path:
        path = self._path(arm, asked, prompt, seed)
        save_png(image, path, self._settings(arm, asked, seed))
        self.names.add(path)
        return path

    def _path(self, arm: Arm, asked: str, prompt: int, seed: int) -> Path:
        """The first of its names that is free, or holds this very picture."""
        number = f"{prompt + 1}-" if self.prompts > 1 else ""
        stem = f"{number}{_slug(asked)}-{_slug(arm.name)}-seed{seed}"
        settings = json.loads(json.dumps(self._settings(arm, asked, seed)))
        paths = (self.folder / f"{stem}{f'-{again + 1}' if again else ''}.png" for again in count())
        free = (path for path in paths if path not in self.names)
        return next(path for path in free if not path.exists() or saved_settings(path) == settings)

    def _settings(self, arm: Arm, asked: str, seed: int) -> dict[str, object]:
        adjustment = arm.adjuster.settings() if arm.adjuster else None
        return self.run | {"prompt": asked, "seed": seed, "arm": arm.name, "adjustment": adjustment}


def _slug(text: str, longest: int = 60) -> str:
    """``text`` as part of a file name."""
    return re.sub(r"[^\w.]+", "-", text.replace("α ", "")).strip("-.")[:longest]


def _print(comparison: Comparison, files: dict[str, Path], *, as_json_text: bool) -> None:
    images = [record.file for record in comparison.records]
    if files:
        print_comparison(comparison, files, as_json_text=as_json_text)
    elif as_json_text:
        print_json({"images": [str(path) for path in images]})
    else:
        for path in images:
            stdout().print(path, markup=False, soft_wrap=True)
