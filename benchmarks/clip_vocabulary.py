"""CLIP's own tokenizer with nothing to download: its vocabulary comes with the open_clip_torch package."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import transformers
from transformers.convert_slow_tokenizer import bytes_to_unicode

MERGES = 49152 - 256 - 2  # the file holds more than CLIP uses


def clip_tokenizer() -> transformers.CLIPTokenizer:
    """A new one, of 49,408 tokens."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise SystemExit(
            "CLIP's vocabulary comes with open_clip_torch: pip install --no-deps open_clip_torch"
        )
    with gzip.open(Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz", "rt", encoding="utf-8") as file:
        merges = [tuple(line.split()) for line in file.read().split("\n")[1 : MERGES + 1]]
    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: i for i, token in enumerate(tokens)}
    return transformers.CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)
