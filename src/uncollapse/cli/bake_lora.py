"""``bake`` and ``unbake`` of a LoRA: the model put together, the bar, and what came of it in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import typer

from ..adjusters import ByRole
from ..adjustment import Adjustment
from ..baking import check_baked_output
from ..carrying import Carried, FitSettings, bake_lora, check_arm, unbake_lora, work
from ..comparison import Arm
from ..concept import Concept
from ..errors import AdjustmentError, PipelineError, PlaceholderError, Setting
from ..models.loading import load_lora
from ..subjects import Note, anchor_within, quiet_pipeline
from ..tuning import Preset, read_preset
from .console import INTERRUPTED, print_json, progress, say, stdout
from .presets import as_preset, check_no_strength

__all__ = ["LoraOptions", "bake_one_lora", "unbake_one_lora"]

USUAL = Adjustment(ByRole(0, 1, 1), 1.0)  # the best of a grid over LoRAs: benchmarks/rivals.py
NAMES = {"concept": "the concept's own tokens", "context": "the other words", "rest": "EOS, padding, pooled"}


@dataclass(frozen=True)
class LoraOptions:
    """What was typed for a LoRA; None where nothing was."""

    placeholder: str | None
    anchor: str | None
    strength: tuple[float | ByRole | None, float | None, float | None]
    preset: Path | None
    anyway: bool
    rank: int | None
    kohya: bool
    device: str | None
    threads: int | None


def bake_one_lora(
    file: Path, model: Sequence[str], output: Path, asked: LoraOptions, *, overwrite: bool, json: bool
) -> None:
    """Bake it, and print how much of the adjustment the new file carries."""
    if len(model) > 1:
        raise PipelineError(f"A LoRA belongs to one model, and --model names {len(model)}. Give one.")
    check_baked_output(output, overwrite)
    preset = read_preset(asked.preset) if asked.preset else None
    concept, arm, notes = _of_preset(preset, asked) if preset else _as_typed(asked)
    check_arm(arm)
    if asked.rank and arm.adjuster is None:
        raise AdjustmentError(
            Setting("rank"), f" changes nothing: '{arm.name}' is baked exactly. Leave it out."
        )
    say(notes)
    if asked.threads:
        torch.set_num_threads(asked.threads)
    pipe = quiet_pipeline(model[0], device=asked.device, dtype=torch.float32)
    load_lora(pipe, file)
    if preset and not asked.anyway:
        preset.check(pipe)
    settings = FitSettings() if asked.rank is None else FitSettings(rank=asked.rank)
    try:
        with progress("Fitting", work(settings) if arm.adjuster else 0) as advance:
            found = bake_lora(
                file,
                output,
                pipe,
                concept,
                arm,
                settings,
                overwrite=overwrite,
                kohya=asked.kohya,
                advance=advance,
            )
    except KeyboardInterrupt:
        say(["Stopped; nothing was written."])
        raise typer.Exit(INTERRUPTED) from None
    if json:
        print_json({**asdict(found), "output": str(output), "anchor": concept.anchor})
        return
    for line in _said(found):
        stdout().print(line, markup=False, soft_wrap=True)
    stdout().print(output, markup=False, soft_wrap=True)


def unbake_one_lora(file: Path, output: Path, *, overwrite: bool, json: bool) -> None:
    """Give back the LoRA that was baked."""
    written = unbake_lora(file, output, overwrite=overwrite)
    if json:
        print_json({"output": str(written)})
        return
    stdout().print(written, markup=False, soft_wrap=True)


def _as_typed(asked: LoraOptions) -> tuple[Concept, Arm, tuple[Note, ...]]:
    if asked.placeholder is None:
        raise PlaceholderError(
            "Which words call the concept? Give them with ", Setting("placeholder"), ', such as "sks dog".'
        )
    if asked.anyway:
        raise AdjustmentError(Setting("anyway"), " is for ", Setting("preset"), ". Leave it out.")
    notes: tuple[Note, ...] = ()
    anchor = asked.anchor
    if anchor is None:
        anchor, notes = anchor_within(asked.placeholder)
    alpha, beta, norm_blend = asked.strength
    if alpha is None and (beta, norm_blend) != (None, None):
        raise AdjustmentError(
            Setting("beta"), " and ", Setting("norm_blend"), " go with ", Setting("alpha"), ". Give that too."
        )
    adjuster = USUAL if alpha is None else Adjustment(alpha, beta, norm_blend)
    return Concept(asked.placeholder, anchor), Arm(adjuster.label, adjuster), notes


def _of_preset(preset: Preset, asked: LoraOptions) -> tuple[Concept, Arm, tuple[Note, ...]]:
    own = preset.concept
    as_preset(own, asked.placeholder, asked.anchor, {})
    check_no_strength(asked.strength)
    return own, preset.arm, ()


def _said(found: Carried) -> list[str]:
    """What came of it, a line each."""
    added = f"Rank {found.rank_own} + {found.rank_added} in {found.layers} layers; "
    left = f"{found.left} layers left as they are." if found.left else "no layer is left as it was."
    if not found.fitted:
        return ["Carries all of it: the LoRA is turned down exactly.", added + left]
    roles = [f"{NAMES[role]} {before:.3f} → {after:.3f}" for role, (before, after) in found.by_role.items()]
    return [
        f"Carries {found.carried:.0%} of the adjustment, on contexts that it was not fitted to.",
        f"Off the adjusted encodings by (squares): {', '.join(roles)}.",
        f"Prompts without the concept have moved by {found.others_moved:.1%} of their vectors' length.",
        added + left,
    ]
