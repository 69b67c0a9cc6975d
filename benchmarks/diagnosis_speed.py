"""What a diagnosis over a Textual Inversion costs: 200 contexts × 30 checkpoints, on a text encoder of SD
1.5's size.

    python benchmarks/diagnosis_speed.py                 # the plain way on 3 of the 30 checkpoints
    python benchmarks/diagnosis_speed.py --plain 30      # on all of them: long

Random weights, CLIP's own vocabulary. Ours: no padding, sentences of one length together, anchors encoded
once, rows swapped in place; in a process of its own, so that its peak memory is its own. Beside it the plain
way: every sentence alone, padded to 77, the anchor's again at every checkpoint; whole checkpoints, drawn at
random, its time scaled to all of them. On those the vectors of EOS are compared (relative error at most
1e-4). Also: all distances and spreads of two sets of 200 × 768, and a folder of 500 embedding files against
a table of 49,408 words, from the files to the report.
"""

import json
import multiprocessing
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import sd15
import torch
import typer
from clip_vocabulary import clip_tokenizer
from recorder import Recorder

from uncollapse.adjustment import Adjustment
from uncollapse.diagnosis.contexts import shipped
from uncollapse.diagnosis.diagnose import diagnose_embeddings
from uncollapse.diagnosis.prompts import encode
from uncollapse.diagnosis.report import save_diagnosis
from uncollapse.learned_embeds import LearnedEmbedding, read_all, write
from uncollapse.metrics.sets.distances import distances
from uncollapse.metrics.sets.spread import set_spread
from uncollapse.vocabulary.suggestions import suggest_anchors
from uncollapse.vocabulary.tables import Vocabulary

RESULTS = Path(__file__).parent / "results" / "diagnosis_speed.json"
TOKEN, ANCHOR = "<t>", "dog"


class Checkpoints:
    """An encoder whose learned row is that of one checkpoint after another."""

    def __init__(self, count: int) -> None:
        self.tokenizer = clip_tokenizer()
        self.encoder = sd15.text_encoder(self.tokenizer)
        self.tokenizer.add_tokens(TOKEN)
        self.encoder.resize_token_embeddings(len(self.tokenizer), mean_resizing=False)
        self.table = self.encoder.get_input_embeddings().weight.detach()
        self.row = self.tokenizer.convert_tokens_to_ids(TOKEN)
        self.rows = torch.randn(count, 768, generator=torch.Generator().manual_seed(0)) * 0.03

    def swapped_in(self, which: Sequence[int]) -> Iterator[int]:
        for i in which:
            self.table[self.row] = self.rows[i]
            yield i


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds by the clock and of CPU (on a shared machine the first says little), and what was made."""
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    return {"seconds": time.perf_counter() - start, "CPU seconds": time.process_time() - cpu}, result


def ours(contexts: int, checkpoints: int) -> tuple[dict[str, float], torch.Tensor, torch.Tensor]:
    """Time and peak memory; P of each checkpoint and Q, as ``diagnosis/training.py`` makes them."""
    states, chosen = Checkpoints(checkpoints), shipped("animals").first(contexts)

    def eos(subject: str) -> torch.Tensor:
        encoded = encode(states.tokenizer, states.encoder, chosen.about(subject))
        return torch.stack([each.vectors[-1] for each in encoded])

    def everything() -> tuple[torch.Tensor, torch.Tensor]:
        Q = eos(ANCHOR)
        return torch.stack([eos(TOKEN) for _ in states.swapped_in(range(checkpoints))]), Q

    encode(states.tokenizer, states.encoder, ["warm"])
    measured, (P, Q) = timed(everything)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {**measured, "peak memory, GB": peak}, P, Q


@torch.inference_mode()
def one_by_one(states: Checkpoints, sentences: list[str]) -> torch.Tensor:
    """The vectors of EOS, every sentence encoded alone and padded."""

    def eos(sentence: str) -> torch.Tensor:
        ids = states.tokenizer(sentence, padding="max_length", return_tensors="pt").input_ids
        end = (ids[0] == states.tokenizer.eos_token_id).nonzero()[0, 0]
        return states.encoder(ids).last_hidden_state[0, end].clone()

    return torch.stack([eos(sentence) for sentence in sentences])


def compared(recorder: Recorder, contexts: int, checkpoints: int, plain: int) -> dict[str, Any]:
    """Both ways; fails unless the vectors are the same."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        measured, P, Q = alone.submit(ours, contexts, checkpoints).result()
    recorder.add({"work": "encoding, ours", **measured})
    states, chosen = Checkpoints(checkpoints), shipped("animals").first(contexts)
    sample = sorted(random.Random(0).sample(range(checkpoints), min(plain, checkpoints)))
    error, times = 0.0, []
    for i in states.swapped_in(sample):
        seconds, found = timed(lambda: [one_by_one(states, chosen.about(s)) for s in (TOKEN, ANCHOR)])
        times.append(seconds)
        recorder.add({"work": "encoding, plain", "checkpoint": i, **seconds})
        for a, b in zip((P[i], Q), found, strict=True):
            error = max(error, ((a - b).norm(dim=1) / b.norm(dim=1)).max().item())
    if not error <= 1e-4:
        raise SystemExit(f"The vectors differ by {error:.1e}: nothing was measured.")
    scaled = {name: checkpoints * statistics.mean(each[name] for each in times) for name in times[0]}
    return {
        "ours": rounded(measured),
        "plain": rounded(scaled),
        "times less": {name: round(scaled[name] / measured[name], 1) for name in scaled},
        "largest relative error": error,
    }


def statistics_of_sets(recorder: Recorder) -> dict[str, float]:
    """All distances and spreads of two sets of 200 × 768, the fastest of five."""
    P, Q = torch.randn(2, 200, 768)
    runs = [timed(lambda: (distances(P, Q, paired=True), set_spread(P, Q)))[0] for _ in range(6)][1:]
    for run in runs:
        recorder.add({"work": "distances and spread", **run})
    return rounded({name: min(run[name] for run in runs) for name in runs[0]}, 3)


def folder_of_files(recorder: Recorder, count: int, vectors: int) -> dict[str, dict[str, float]]:
    """From files on the disk to the report, once the table's words are known."""
    tokenizer = clip_tokenizer()
    table = 0.03 * torch.randn(49408, 768)
    vocabularies = {"text_encoder": Vocabulary(table, tokenizer.backend_tokenizer)}
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / f"{i}.safetensors" for i in range(count)]
        for i, file in enumerate(files):
            rows = table[1000 + i] + 0.03 * torch.randn(vectors, 768)
            write(file, LearnedEmbedding(f"<t{i}>", {"text_encoder": rows}))

        def diagnose(files: Sequence[Path], anchor: str | None) -> None:
            embeddings = [each for file in files for each in read_all(file)]
            anchors = [anchor or suggest_anchors(each, vocabularies, 1)[0].anchor for each in embeddings]
            names = [str(file) for file in files]
            save_diagnosis(
                diagnose_embeddings(embeddings, vocabularies, anchors, Adjustment(), names), Path(name)
            )

        found = {}
        for what, chosen, anchor in (
            ("the first file, with the table", files[:1], None),
            ("anchor given", files, ANCHOR),
            ("anchors suggested", files, None),
        ):
            seconds, _ = timed(partial(diagnose, chosen, anchor))
            recorder.add({"work": f"a folder, {what}", **seconds})
            found[what] = rounded(seconds)
    return found


def rounded(values: dict[str, float], digits: int = 2) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}


def main(
    contexts: Annotated[int, typer.Option(help="Sentences a checkpoint.")] = 200,
    checkpoints: Annotated[int, typer.Option(help="Checkpoints.")] = 30,
    plain: Annotated[int, typer.Option(help="Checkpoints that the plain way is timed on.")] = 3,
    files: Annotated[int, typer.Option(help="Embedding files in the folder.")] = 500,
    vectors: Annotated[int, typer.Option(help="Vectors in each.")] = 8,
    output: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULTS,
) -> None:
    """Check, then time."""
    settings = dict(contexts=contexts, checkpoints=checkpoints, plain=plain, files=files, vectors=vectors)
    recorder = Recorder("diagnosis_speed", output, **settings)
    summary = {
        "encoding": compared(recorder, contexts, checkpoints, plain),
        "distances and spread of 200 × 768": statistics_of_sets(recorder),
        "a folder": folder_of_files(recorder, files, vectors),
    }
    recorder.save(summary)
    typer.echo(json.dumps(summary, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
