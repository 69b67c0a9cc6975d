"""What baking a LoRA costs on text encoders of full size with random weights.

    python benchmarks/lora_baking_time.py --model sd15
    python benchmarks/lora_baking_time.py --model sdxl     # both encoders: 4 GB of memory

Fits a few captions for a few steps, and reckons from that what the usual settings take: seconds of processor
time, which a busy machine changes little, and minutes on two cores if both are always busy. Checks first that
the fit brings the encodings nearer to the adjusted ones.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Annotated, Any

import diffusers
import torch
import transformers
import typer
from recorder import Recorder
from safetensors.torch import save_file

from uncollapse.carrying import FitSettings, bake_lora, work
from uncollapse.comparison import parse_arm
from uncollapse.concept import Concept
from uncollapse.vocabulary.clip import clip_vocabulary

RESULTS = Path(__file__).parent / "results"
NONE = ("vae", "unet", "scheduler")


def encoder(width: int, layers: int, heads: int, projected: bool) -> Any:
    """A CLIP text encoder, the same weights every time."""
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
        eos_token_id=49407,
    )
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return kind(config).eval()


def pipeline(model: str) -> Any:
    """Its tokenizers and text encoders alone."""
    vocabulary, merges = clip_vocabulary()
    tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    parts = {"tokenizer": tokenizer, "text_encoder": encoder(768, 12, 12, False)} | dict.fromkeys(NONE)
    if model == "sd15":
        more = dict.fromkeys(("safety_checker", "feature_extractor"))
        return diffusers.StableDiffusionPipeline(**parts, **more, requires_safety_checker=False)
    more = {"tokenizer_2": tokenizer, "text_encoder_2": encoder(1280, 32, 20, True)}
    return diffusers.StableDiffusionXLPipeline(**parts, **more)


def main(
    model: Annotated[str, typer.Option(help="sd15 or sdxl.")] = "sd15",
    captions: Annotated[int, typer.Option(help="How many are encoded.")] = 16,
    steps: Annotated[int, typer.Option(help="Of the fit.")] = 8,
    output: Annotated[Path, typer.Option(help="Where the results go, without ending.")] = RESULTS
    / "lora_baking_time",
) -> None:
    """Measure, reckon and print."""
    recorder = Recorder("lora_baking_time", Path(f"{output}_{model}.json"), captions=captions, steps=steps)
    few = FitSettings(captions=captions, steps=steps, measured=8)
    pipe, marks, done = pipeline(model), [process_time()], [0]

    def advance(count: int) -> None:
        marks.append(process_time())
        done.append(done[-1] + count)

    with TemporaryDirectory() as folder:
        lora = Path(folder, "lora.safetensors")
        names = ("unet.x.to_q.lora.down.weight", "unet.x.to_q.lora.up.weight")
        save_file(dict(zip(names, (torch.ones(8, 320), torch.ones(320, 8)), strict=True)), lora)
        arm = parse_arm("tea:alpha=0/1/1,beta=1")
        found = bake_lora(
            lora, Path(folder, "tea.safetensors"), pipe, Concept("sks dog", "dog"), arm, few, advance=advance
        )
    if found.carried <= 0:
        raise SystemExit("The fit brought the encodings no nearer. Nothing was measured.")
    targets = done.index(work(few) - steps)
    per_text = (marks[targets] - marks[0]) / done[targets]
    per_step = (marks[-1] - marks[targets + 1]) / (steps - 1)  # the first one follows what is kept back
    usual = FitSettings()
    seconds = per_text * work(replace(usual, steps=0)) + per_step * usual.steps
    summary = {
        "CPU s a text": per_text,
        "CPU s a step": per_step,
        "CPU s": seconds,
        "min on 2 cores": seconds / 120,
    }
    for mark, count in zip(marks, done, strict=True):
        recorder.add({"done": count, "seconds": mark - marks[0]})
    recorder.save(summary)
    print(", ".join(f"{name} {value:.2f}" for name, value in summary.items()))


if __name__ == "__main__":
    typer.run(main)
