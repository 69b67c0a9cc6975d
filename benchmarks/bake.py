"""Baking and inspecting embedding files against token tables of SDXL's size.

    python benchmarks/bake.py            # makes 400 MB of random tables in a temporary folder

Checks first that what is baked is what ``uc.adjust`` computes, and that unbaking gives the file back. Then
times, over several runs each: the whole command in a process of its own, imports and all; the same work
without the imports; and inspecting a folder of 1,000 files with the tables loaded.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from recorder import Recorder
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

import uncollapse as uc
from uncollapse.baking import bake, unbake
from uncollapse.learned_embeds import LearnedEmbedding, read, write
from uncollapse.vocabulary.inspection import inspect
from uncollapse.vocabulary.tables import load_vocabularies

RESULTS = Path(__file__).parent / "results" / "bake.json"
ROWS, WIDTHS = 49408, {"clip_l": 768, "clip_g": 1280}
KEYS = {
    "clip_l": "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
    "clip_g": "conditioner.embedders.1.model.token_embedding.weight",
}


def make_model(folder: Path) -> tuple[Path, Path]:
    """A checkpoint with two random tables, and a tokenizer of as many words."""
    checkpoint, tokenizer_file = folder / "sdxl.safetensors", folder / "tokenizer.json"
    save_file({KEYS[name]: torch.randn(ROWS, width) for name, width in WIDTHS.items()}, checkpoint)
    letters = "abcdefghijklmnop"
    words = ["".join(letters[i >> shift & 15] for shift in (12, 8, 4, 0)) for i in range(ROWS)]
    tokenizer = Tokenizer(models.WordLevel({f"▁{w}": i for i, w in enumerate(words)}, unk_token="▁aaaa"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(tokenizer_file))
    return checkpoint, tokenizer_file


def make_embedding(path: Path, vectors: int) -> Path:
    rows = {name: 3 * torch.randn(vectors, width) for name, width in WIDTHS.items()}
    return write(path, LearnedEmbedding(path.stem, rows))


def check(source: Path, folder: Path, vocabularies) -> None:
    """Fail unless the files are what they must be."""
    bake(source, folder / "baked.safetensors", vocabularies, "aabc")
    baked = read(folder / "baked.safetensors")
    for name, v in read(source).vectors.items():
        if not torch.equal(baked.vectors[name], uc.adjust(v, vocabularies[name].token_embeds[0x12])):
            raise SystemExit(f"{name}: what was baked is not what adjust() computes. Nothing was measured.")
    if unbake(folder / "baked.safetensors", folder / "back.safetensors").read_bytes() != source.read_bytes():
        raise SystemExit("Unbaking did not give the file back. Nothing was measured.")


def timed(work: Callable[[], object], runs: int) -> dict[str, object]:
    """Seconds by the clock, and of CPU with child processes: they differ where the machine is shared."""
    seconds, cpu = [], []
    for _ in range(runs):
        start, start_cpu = time.perf_counter(), sum(os.times()[:4])
        work()
        seconds.append(round(time.perf_counter() - start, 3))
        cpu.append(round(sum(os.times()[:4]) - start_cpu, 2))
    return {"median": statistics.median(seconds), "seconds": seconds, "cpu": cpu}


def main(
    runs: Annotated[int, typer.Option(help="How often each is timed.")] = 5,
    files: Annotated[int, typer.Option(help="Embedding files in the folder.")] = 1000,
    vectors: Annotated[int, typer.Option(help="Vectors an encoder in each.")] = 2,
    output: Annotated[Path, typer.Option(help="Where the results go.")] = RESULTS,
) -> None:
    """Measure and write the numbers."""
    recorder = Recorder("bake", output, runs=runs, files=files, vectors=vectors, rows=ROWS, widths=WIDTHS)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint, tokenizer = make_model(folder)
        source = make_embedding(folder / "cat.safetensors", vectors)
        many = [make_embedding(folder / "many" / f"{i}.safetensors", vectors) for i in range(files)]
        vocabularies = load_vocabularies(checkpoint, tokenizer)
        check(source, folder, vocabularies)

        out = folder / "out.safetensors"
        options = ["--model", str(checkpoint), "--tokenizer", str(tokenizer), "-o", str(out), "--overwrite"]
        command = [sys.executable, "-m", "uncollapse", "bake", str(source), *options]

        def run_command(*more: str) -> None:
            subprocess.run([*command, *more], check=True, capture_output=True)

        def bake_it() -> None:
            bake(source, out, load_vocabularies(checkpoint, tokenizer), "aabc", overwrite=True)

        for vocabulary in vocabularies.values():
            vocabulary.nearest(torch.ones(1, vocabulary.token_embeds.shape[-1]), 1)  # so that it is loaded
        work: dict[str, Callable[[], object]] = {
            "bake, without the imports": bake_it,
            f"inspect {files} files": lambda: inspect([read(path) for path in many], vocabularies),
            "import torch, in a process of its own": lambda: subprocess.run(
                [sys.executable, "-c", "import torch"], check=True
            ),
            "uncollapse bake, in a process of its own": lambda: run_command("--anchor", "aabc"),
            "the same, choosing the anchor itself": run_command,
        }
        for what, each in work.items():
            numbers = timed(each, runs)
            recorder.add({"work": what, **numbers})
            print(f"{what:42} {numbers['seconds']} s, CPU {numbers['cpu']} s", flush=True)
    recorder.save()


if __name__ == "__main__":
    typer.run(main)
