"""What a diagnosis over a Textual Inversion costs: 200 contexts × 30 checkpoints, on a text encoder of SD
1.5's size.

    python benchmarks/diagnosis_speed.py                                  # all of it: an hour on two cores
    python benchmarks/diagnosis_speed.py --contexts 40 --checkpoints 2    # the same per sentence

Random weights, CLIP's own vocabulary. Ours: no padding, sentences of one length together, anchors encoded
once, rows swapped in place. Beside it the plain way: every sentence alone, padded to 77, the anchor's
again at every checkpoint. The vectors of EOS are compared first (relative error at most 1e-4), then both
are timed in this same run. Also: all distances and spreads of two sets of 200 × 768, and 500 embedding
files against a table of 49,408 words.
"""

import json
import os
import platform
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
import transformers
import typer

from uncollapse.adjustment import Adjustment
from uncollapse.diagnosis.contexts import shipped
from uncollapse.diagnosis.diagnose import diagnose_embeddings
from uncollapse.diagnosis.distances import distances
from uncollapse.diagnosis.prompts import encode
from uncollapse.diagnosis.spread import set_spread
from uncollapse.learned_embeds import LearnedEmbedding
from uncollapse.output import save_text
from uncollapse.vocabulary import Vocabulary

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from word_pairs import clip_tokenizer

RESULTS = Path(__file__).parent / "results" / "diagnosis_speed.json"
TOKEN, ANCHOR = "<t>", "dog"


def text_encoder(tokenizer: transformers.CLIPTokenizer) -> transformers.CLIPTextModel:
    """Stable Diffusion 1.5's text encoder, untrained."""
    torch.manual_seed(0)
    shape = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    ids = dict(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = transformers.CLIPTextConfig(vocab_size=len(tokenizer), projection_dim=768, **shape, **ids)
    return transformers.CLIPTextModel(config).eval()


class Checkpoints:
    """An encoder whose learned row is that of one checkpoint after another."""

    def __init__(self, tokenizer, encoder, count: int) -> None:
        tokenizer.add_tokens(TOKEN)
        encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        self.table = encoder.get_input_embeddings().weight.detach()
        self.row = tokenizer.convert_tokens_to_ids(TOKEN)
        self.rows = torch.randn(count, 768) * 0.03

    def __iter__(self):
        for row in self.rows:
            self.table[self.row] = row
            yield


def ours(tokenizer, encoder, sentences, anchors, checkpoints) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """P and Q of each checkpoint, as ``diagnosis/training.py`` makes them."""
    Q = torch.stack([each.vectors[-1] for each in encode(tokenizer, encoder, anchors)])
    return [
        (torch.stack([each.vectors[-1] for each in encode(tokenizer, encoder, sentences)]), Q)
        for _ in checkpoints
    ]


@torch.inference_mode()
def one_by_one(
    tokenizer, encoder, sentences, anchors, checkpoints
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The same, every sentence alone and padded."""

    def eos(sentence: str) -> torch.Tensor:
        ids = tokenizer(sentence, padding="max_length", return_tensors="pt").input_ids
        return encoder(ids).last_hidden_state[0, (ids[0] == tokenizer.eos_token_id).nonzero()[0, 0]]

    return [tuple(torch.stack([eos(s) for s in each]) for each in (sentences, anchors)) for _ in checkpoints]


def timed(work):
    """(seconds, CPU seconds, result): on a shared machine the first says little."""
    started, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - started, time.process_time() - cpu, result


def files(tokenizer, table: torch.Tensor, count: int = 500) -> float:
    """CPU seconds for that many embeddings of eight vectors, once the table's words are known."""
    vocabularies = {"text_encoder": Vocabulary(table.clone(), tokenizer.backend_tokenizer)}
    embeddings = [LearnedEmbedding("<t>", {"text_encoder": torch.randn(8, 768)}) for _ in range(count)]

    def diagnose(some):
        names = ["a file"] * len(some)
        return diagnose_embeddings(some, vocabularies, [ANCHOR] * len(some), Adjustment(), names)

    diagnose(embeddings[:1])
    return timed(lambda: diagnose(embeddings))[1]


def main(
    contexts: Annotated[int, typer.Option(help="Sentences a checkpoint.")] = 200,
    checkpoints: Annotated[int, typer.Option(help="Checkpoints.")] = 30,
    output: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULTS,
) -> None:
    """Check, then time."""
    tokenizer = clip_tokenizer()
    encoder = text_encoder(tokenizer)
    states = Checkpoints(tokenizer, encoder, checkpoints)
    chosen = shipped("animals").first(contexts)
    arguments = (tokenizer, encoder, chosen.about(TOKEN), chosen.about(ANCHOR), states)
    seconds, cpu, found = timed(lambda: ours(*arguments))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    plain_seconds, plain_cpu, expected = timed(lambda: one_by_one(*arguments))
    pairs = [
        (a, b) for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True)
    ]
    error = max(((a - b).norm(dim=1) / b.norm(dim=1)).max().item() for a, b in pairs)
    if not error <= 1e-4:
        raise SystemExit(f"The vectors differ by {error:.1e}: nothing was measured.")
    P, Q = torch.randn(2, 200, 768)
    both = lambda: (distances(P, Q, paired=True), set_spread(P, Q))  # noqa: E731
    statistics = min(timed(both)[1] for _ in range(3))
    data = {
        "contexts": contexts,
        "checkpoints": checkpoints,
        "seconds": round(seconds, 1),
        "seconds one by one": round(plain_seconds, 1),
        "times less": round(plain_seconds / seconds, 1),
        "times less CPU": round(plain_cpu / cpu, 1),
        "largest relative error": error,
        "peak memory, GB": round(memory, 2),
        "distances and spread of 200 × 768, CPU seconds": round(statistics, 3),
        "500 embedding files of 8 vectors, CPU seconds": round(files(tokenizer, states.table), 1),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "environment": {p: version(p) for p in ("torch", "transformers")}
        | {"python": platform.python_version()},
    }
    save_text(json.dumps(data, indent=1), output)
    print(json.dumps(data, indent=1))


if __name__ == "__main__":
    typer.run(main)
