"""Prompts and anchors enough to judge a pairing by, and real vocabularies to tokenise them with.

``clip_tokenizer()`` is CLIP's own, out of the open_clip_torch wheel; ``sentencepiece_tokenizer()`` is a
Unigram model trained on CLIP's words. ``cases()`` are prompts as lists of words, some the placeholder.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import itertools
from pathlib import Path

import pytest
import tokenizers
import transformers

from toys.tokenizers import byte_letters

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
    words = [(a + b).removesuffix("</w>") for a, b in _clip_merges()[:6000] if b.endswith("</w>")]
    text = [" ".join(words[i : i + 12]) for i in range(0, len(words), 12)] + [
        *CONTEXTS,
        *ANCHORS,
        *PLACEHOLDERS,
    ]
    model = tokenizers.Tokenizer(tokenizers.models.Unigram())
    model.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=2500, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"
    )
    model.train_from_iterator(text, trainer)
    pieces = [(piece, -float(rank)) for rank, piece in enumerate(model.get_vocab())]
    pieces = [(piece, score) for piece, score in pieces if piece not in ("<pad>", "</s>", "<unk>")]
    extra = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(100))]
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces, *extra]
    return transformers.T5Tokenizer(vocab=vocab, model_max_length=77)
