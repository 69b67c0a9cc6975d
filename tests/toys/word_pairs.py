"""Prompts and anchors enough to judge a pairing by, and real vocabularies to tokenise them with.

``clip_tokenizer()`` is CLIP's own, out of the open_clip_torch wheel; ``sentencepiece_tokenizer()`` is a
Unigram model of CLIP's words, ``byte_level_tokenizer()`` a byte-pair one of the prompts'. ``cases()`` are
prompts as lists of words, some the placeholder.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import itertools
import math
from pathlib import Path

import pytest
import tokenizers
import transformers

from toys.tokenizers import byte_letters, merges_of

PLACEHOLDERS = ["sks dog", "ohwx", "zwx-man", "Sks"]
ANCHORS = [
    "dog",
    "small dog",
    "carved wooden statue",
    "man with a hat",
    "cat",
    "unbelievably fluffy hippopotamus",
]
CONTEXTS = [
    "a photo of V in the Grand Canyon at sunset",
    "V wearing a red hat , standing near another dog",
    "oil painting of a dog and a dog and V",
    "V , V and V on the beach , 4k , highly detailed",
    "dog dog dog V dog dog dog",
    "an astronaut riding V through Reykjavík , artstation",
    "the the the V the the the",
    "V",
    "close-up of a steampunk octopus holding V",
    "don't look at V , it's 1990's film grain !!",
    "in the snow the cat sees V in the snow",
    "a watercolour of Kyoto 's temples behind V .",
    "mountains rivers mountains rivers V mountains rivers",
]  # fmt: skip


def cases() -> list[tuple[list[str], str, str]]:
    """(words, placeholder, anchor): every context with every placeholder and anchor."""
    return [(c.split(), p, a) for c, p, a in itertools.product(CONTEXTS, PLACEHOLDERS, ANCHORS)]


def _clip_file() -> Path:
    spec = importlib.util.find_spec("open_clip")
    if spec is None:
        pytest.skip("CLIP's vocabulary comes with open_clip_torch")
    return Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz"


@functools.cache
def _clip_merges() -> list[tuple[str, str]]:
    with gzip.open(_clip_file(), "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[1 : 49152 - 256 - 2 + 1]
    return [tuple(line.split()) for line in lines]


@functools.cache
def clip_tokenizer() -> transformers.CLIPTokenizer:
    letters = byte_letters()
    tokens = [*letters, *(x + "</w>" for x in letters), *(a + b for a, b in _clip_merges())]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: i for i, token in enumerate(tokens)}
    return transformers.CLIPTokenizer(vocab=vocab, merges=_clip_merges(), model_max_length=77)


@functools.cache
def sentencepiece_tokenizer() -> transformers.T5Tokenizer:
    """Words and pieces in CLIP's order, likelier the earlier (Zipf), and every character of the prompts."""
    found = [a + b for a, b in _clip_merges()[:4000]]
    words = [f"▁{piece.removesuffix('</w>')}" for piece in found if piece.endswith("</w>")]
    inner = [piece for piece in found if not piece.endswith("</w>")]
    letters = sorted({*"".join([*words, *CONTEXTS, *ANCHORS, *PLACEHOLDERS])} - {" "})
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    ranked = [(piece, -math.log(rank + 20)) for rank, piece in enumerate(words)]
    ranked += [(piece, -math.log(rank + 20) - 3) for rank, piece in enumerate(inner) if len(piece) > 1]
    extra = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(100))]
    vocab = dict([*special, *((letter, -14.0) for letter in letters), *ranked, *extra])
    return transformers.T5Tokenizer(vocab=list(vocab.items()), model_max_length=77)


@functools.cache
def byte_level_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """As GPT-2 and Qwen make theirs, of the prompts' words; any other text falls into bytes."""
    words = sorted({word for text in [*CONTEXTS, *ANCHORS, *PLACEHOLDERS] for word in text.split()})
    merges = [
        (a.removesuffix("</w>"), b.removesuffix("</w>"))
        for a, b in merges_of([f"Ġ{w}" for w in words if w.isascii()])
    ]
    vocab = dict.fromkeys([*byte_letters(), *(a + b for a, b in merges), "<|endoftext|>"])
    model = tokenizers.models.BPE({piece: i for i, piece in enumerate(vocab)}, merges)
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    end = "<|endoftext|>"
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=end, eos_token=end, model_max_length=77
    )
