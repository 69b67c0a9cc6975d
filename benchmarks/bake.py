"""Baking and inspecting embedding files against token tables of SDXL's size.

    python benchmarks/bake.py            # makes 400 MB of random tables in a temporary folder

Checks first that what is baked is what ``uc.adjust`` computes, and that unbaking gives the file back; of a
folder too, file by file. Then times, over several runs each: the whole command in a process of its own,
imports and all; the same work without the imports; and, with the tables loaded, a folder of 1,000 files:
inspected, baked, gone through again, and unbaked; of fewer the search for anchors that nobody gave.
"""

import os
import shutil
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
from uncollapse.baking_folders import bake_folder, unbake_folder
from uncollapse.learned_embeds import LearnedEmbedding, read, write
from uncollapse.vocabulary.inspection import inspect
from uncollapse.vocabulary.tables import load_vocabularies

RESULTS = Path(__file__).parent / "results" / "bake.json"
FEW = 50  # files
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
    """Of random vectors, longer than all words and near to none."""
    rows = {name: 3 * torch.randn(vectors, width) for name, width in WIDTHS.items()}
    return write(path, LearnedEmbedding(path.stem, rows))


def make_near_embedding(path: Path, vectors: int, vocabularies) -> Path:
    """Of vectors that are not far from a word."""
    rows = {name: each.anchor_vector("aabc") for name, each in vocabularies.items()}
    rows = {name: (c + torch.randn(vectors, len(c))) for name, c in rows.items()}
    return write(path, LearnedEmbedding(path.stem, rows))


def check(source: Path, folder: Path, vocabularies) -> None:
    """Fail unless the files are what they must be."""
    bake(source, folder / "my-baked.safetensors", vocabularies, "aabc")
    baked = read(folder / "my-baked.safetensors")
    for name, v in read(source).vectors.items():
        if not torch.equal(baked.vectors[name], uc.adjust(v, vocabularies[name].token_embeds[0x12])):
            raise SystemExit(f"{name}: what was baked is not what adjust() computes. Nothing was measured.")
    if (
        unbake(folder / "my-baked.safetensors", folder / "back.safetensors").read_bytes()
        != source.read_bytes()
    ):
        raise SystemExit("Unbaking did not give the file back. Nothing was measured.")


def check_folder(many: list[Path], folder: Path, vocabularies) -> None:
    """Fail unless a folder's files become what each becomes on its own, and come back."""
    source = many[0].parent
    for outcome in bake_folder(source, folder / "checked", vocabularies, "aabc"):
        alone = folder / "alone" / outcome.file.name
        bake(outcome.file, alone, vocabularies, "aabc")
        if outcome.word != "baked" or outcome.output.read_bytes() != alone.read_bytes():
            raise SystemExit(f"{outcome.file}: baked in its folder it is another. Nothing was measured.")
    back = [each.output for each in unbake_folder(folder / "checked", folder / "back")]
    if [path.read_bytes() for path in back] != [path.read_bytes() for path in sorted(many)]:
        raise SystemExit("Unbaking did not give the folder back. Nothing was measured.")


def words(outcomes, word: str, count: int) -> None:
    """Go through a folder; fail unless ``word`` became of every file."""
    found = [outcome.word for outcome in outcomes]
    if found != [word] * count:
        raise SystemExit(f"The files were to be {word!r}, and are {sorted(set(found))}.")


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
        source = make_embedding(folder / "my-cat.safetensors", vectors)
        many = [make_embedding(folder / "many" / f"my-cat-{i}.safetensors", vectors) for i in range(files)]
        few = [make_embedding(folder / "few" / path.name, vectors) for path in many[:FEW]]
        vocabularies = load_vocabularies(checkpoint, tokenizer)
        near = make_near_embedding(folder / "my-near.safetensors", vectors, vocabularies)
        check(source, folder, vocabularies)
        check_folder(few, folder, vocabularies)

        out = folder / "my-out.safetensors"
        options = ["--model", str(checkpoint), "--tokenizer", str(tokenizer), "-o", str(out), "--overwrite"]
        command = [sys.executable, "-m", "uncollapse", "bake", *options]

        def run_command(*more: str) -> None:
            subprocess.run([*command, *more], check=True, capture_output=True)

        def bake_it() -> None:
            bake(source, out, load_vocabularies(checkpoint, tokenizer), "aabc", overwrite=True)

        baked = folder / "many-baked"

        def bake_many(word: str) -> None:
            if word == "baked":
                shutil.rmtree(baked, ignore_errors=True)
            words(bake_folder(many[0].parent, baked, vocabularies, "aabc"), word, files)

        def unbake_many() -> None:
            shutil.rmtree(folder / "given-back", ignore_errors=True)
            words(unbake_folder(baked, folder / "given-back"), "given back", files)

        def look_for_anchors() -> None:
            """Of random vectors no word is near, or hardly."""
            list(bake_folder(few[0].parent, folder / "suggested", vocabularies))

        for vocabulary in vocabularies.values():
            vocabulary.nearest(torch.ones(1, vocabulary.token_embeds.shape[-1]), 1)  # so that it is loaded
        work: dict[str, Callable[[], object]] = {
            "bake, without the imports": bake_it,
            f"inspect {files} files": lambda: inspect([read(path) for path in many], vocabularies),
            f"bake a folder of {files} files": lambda: bake_many("baked"),
            f"go through it again, all {files} kept": lambda: bake_many("kept"),
            f"search anchors for {len(few)} files": look_for_anchors,
            f"unbake {files} files": unbake_many,
            "import torch, in a process of its own": lambda: subprocess.run(
                [sys.executable, "-c", "import torch"], check=True
            ),
            "uncollapse bake, in a process of its own": lambda: run_command(str(source), "--anchor", "aabc"),
            "the same, choosing the anchor itself": lambda: run_command(str(near)),
        }
        for what, each in work.items():
            numbers = timed(each, runs)
            recorder.add({"work": what, **numbers})
            print(f"{what:42} {numbers['seconds']} s, CPU {numbers['cpu']} s", flush=True)
    recorder.save()


if __name__ == "__main__":
    typer.run(main)
