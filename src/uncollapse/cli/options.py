"""The options that commands share, each a type that carries its help."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..adjusters import ByRole
from ..adjustment import ALPHA, BETA
from ..errors import AdjustmentError, Setting

WORDS, FIGURE = "<str>", "<float>"  # what an option takes that can be repeated

# What to draw from.
Model = Annotated[
    str | None,
    typer.Argument(
        help="Pipeline folder, hub id, single file or a miniature's name; without it, the bundled miniature."
    ),
]
Lora = Annotated[str | None, typer.Option(help="LoRA file, folder or hub id.")]
Embedding = Annotated[str | None, typer.Option(help="Textual-Inversion embedding file.")]
CustomDiffusion = Annotated[
    str | None, typer.Option(help="Folder (or delta.bin) of a Custom Diffusion or ClassDiffusion training.")
]
Base = Annotated[
    str | None, typer.Option(help="The model before its fine-tuning, where that is no LoRA or embedding.")
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, …; by default CUDA where there is one.")]
Dtype = Annotated[str | None, typer.Option(help="Type of the weights: float32, float16 or bfloat16.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; by default torch's choice.")]

# The concept and its adjustment; ranges are checked by Adjustment and Concept, which say it in a sentence.
Placeholder = Annotated[str | None, typer.Option(help='What the prompts call the concept: "sks dog".')]
Anchor = Annotated[str | None, typer.Option(help='What it is, in ordinary words: "dog".')]


def _alpha(value: object) -> float | ByRole:
    text = str(value)  # typer asks about defaults too
    try:
        return ByRole.parsed(text) if "/" in text else float(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is neither a number nor CONCEPT/CONTEXT/REST, three numbers such as 0/1/1."
        ) from error


Alphas = Annotated[
    list[Any] | None,  # of float | ByRole, which typer does not know
    typer.Option(
        parser=_alpha,
        metavar=FIGURE,
        help="0 leaves the concept as it is, 1 makes it the anchor; 0/1/1: by role, the concept's own "
        "tokens, the other words, the rest. Repeat for several.",
    ),
]
Beta = Annotated[
    float | None, typer.Option(help=f"Norm relative to the anchor's; {BETA:g}, unless --norm-blend is given.")
]
PresetFile = Annotated[
    Path | None, typer.Option("--preset", help="What uncollapse tune found for this concept, preset.json.")
]
Anyway = Annotated[
    bool, typer.Option("--anyway", help="Use --preset though the weights are not those it was measured with.")
]
NormBlend = Annotated[
    float | None, typer.Option(help="In place of --beta: 0 keeps the learned norm, 1 takes the anchor's.")
]
Level = Annotated[str, typer.Option(help="Where to adjust: auto, token or prompt.")]
AnchorEncoder = Annotated[str, typer.Option(help="Who encodes the anchor: base or tuned.")]
NegativeEncoder = Annotated[
    str, typer.Option(help="Who encodes the negative prompt: tuned, or base, which can save likeness.")
]
Encoders = Annotated[
    str, typer.Option(help="Whose vectors move: all, pooled, or an encoder's; + between several.")
]

# Embedding files.
File = Annotated[Path, typer.Argument(help="Embedding file, of any layout, or a folder of them.")]
Baked = Annotated[Path, typer.Argument(help="Embedding file or a folder of them; or a LoRA file.")]
Words = Annotated[
    list[str],
    typer.Option(
        "--model",
        metavar=WORDS,
        help="Pipeline or text-encoder folder, single file or a miniature's name; repeat for one an encoder.",
    ),
]
Tokenizer = Annotated[
    list[str] | None,
    typer.Option(
        metavar=WORDS,
        help="Folder or tokenizer.json, where the model has none beside it; repeat for several.",
    ),
]
Alpha = Annotated[
    float, typer.Option(help="0 leaves the concept as it is, 1 makes it the anchor.", show_default=True)
]
BakedAlpha = Annotated[
    Any,  # float | ByRole | None
    typer.Option(
        parser=_alpha,
        metavar=FIGURE,
        help="0 leaves the concept as it is, 1 makes it the anchor; of a LoRA also by role. By default "
        f"{ALPHA:g} for an embedding, and for a LoRA 0/1/1 with --beta 1.",
    ),
]
Rank = Annotated[
    int | None,
    typer.Option(min=1, help="Of a LoRA: the rank that is added; more carries more. By default 16."),
]
Kohya = Annotated[
    bool, typer.Option("--kohya", help="Of a LoRA: write it in kohya's layout, whatever its own is.")
]
OutputFile = Annotated[
    Path, typer.Option("--output", "-o", help="File to write; for a folder, the folder to write to.")
]
Anchors = Annotated[
    Path | None,
    typer.Option(help='For a folder: JSON that names the anchors of single files, {"pets/tom.pt": "cat"}.'),
]
Stack = Annotated[
    bool,
    typer.Option(
        "--stack",
        help="Write the vectors of several tokens as one embedding, for ComfyUI, InvokeAI and Forge.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]

# The pictures.
Prompts = Annotated[
    list[str],
    typer.Option("--prompt", metavar=WORDS, help="What to draw, the placeholder in it; repeat for several."),
]
Seed = Annotated[int, typer.Option(help="First seed.")]
NumImages = Annotated[int, typer.Option("--num-images", "-n", min=1, help="Images a prompt.")]
NegativePrompt = Annotated[str | None, typer.Option(help="What to keep out.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Denoising steps; by default the pipeline's.")]
Guidance = Annotated[float | None, typer.Option(help="Guidance scale; by default the pipeline's.")]
Height = Annotated[
    int | None, typer.Option(min=1, help="Pixels, together with --width; by default the pipeline's.")
]
Width = Annotated[int | None, typer.Option(min=1, help="Pixels, together with --height.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images drawn at once.")]

# What comes out.
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")]
Compare = Annotated[
    bool, typer.Option("--compare", help="Also draw base and personalised, all on one sheet.")
]
ResumeDrawing = Annotated[bool, typer.Option("--resume", help="Draw only what the output folder lacks.")]
References = Annotated[Path | None, typer.Option(help="Folder of photos of the subject, for --compare.")]
Arms = list[str] | None  # its help names the adjusters there are: ``registered``
Measured = Mapping[str, str | bool] | None  # becomes an option a measure: ``registered``
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON.")]


def norm_rule(beta: float | None, norm_blend: float | None) -> float | None:
    """β as it is meant: the paper's, where neither of the two rules for the norm is given.

    Raises: AdjustmentError, where both are.
    """
    if beta is not None and norm_blend is not None:
        raise AdjustmentError(
            Setting("beta"),
            " and ",
            Setting("norm_blend"),
            " are two rules for the same norm: leave one out.",
        )
    return BETA if beta is None and norm_blend is None else beta
