"""A CLIP-style byte-level BPE tokenizer, trained on the world's captions.

Words of the world and a few rare identifiers ("sks", as DreamBooth uses) become one token each; any other
text falls apart into bytes and pieces, but still tokenises.
"""

import random

from tokenizers import Tokenizer, models, trainers
from transformers import CLIPTokenizer

from .pool import training_scene
from .world import describe
from .world.vocabulary import RARE_IDENTIFIERS

MAX_LENGTH = 32
START, END = "<|startoftext|>", "<|endoftext|>"


def train_tokenizer(captions: int = 20000, vocab_size: int = 1024) -> CLIPTokenizer:
    """Train on that many captions; ``vocab_size`` counts bytes, pieces, words and the two special tokens."""
    reference = CLIPTokenizer()
    split = reference.backend_tokenizer
    byte_level = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    byte_level.normalizer, byte_level.pre_tokenizer = split.normalizer, split.pre_tokenizer
    rng = random.Random("captions for the tokenizer")
    texts = [describe(training_scene(i), rng) for i in range(captions)]
    texts += [" ".join(RARE_IDENTIFIERS)] * 50
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 512 - 2, end_of_word_suffix="</w>", show_progress=False, min_frequency=2
    )
    byte_level.train_from_iterator(texts, trainer)
    return _as_clip(byte_level)


def _as_clip(trained: Tokenizer) -> CLIPTokenizer:
    """CLIP's vocabulary order: bytes, bytes that end a word, merges as learned, the special tokens."""
    import json

    from transformers.convert_slow_tokenizer import bytes_to_unicode

    merges = [tuple(m) for m in json.loads(trained.to_str())["model"]["merges"]]
    letters = list(bytes_to_unicode().values())
    words = letters + [f"{c}</w>" for c in letters]
    words += [w for w in dict.fromkeys(a + b for a, b in merges) if w not in words]
    vocab = {word: i for i, word in enumerate([*words, START, END])}
    merges = [m for m in merges if m[0] in vocab and m[1] in vocab]
    return CLIPTokenizer(
        vocab=vocab,
        merges=merges,
        model_max_length=MAX_LENGTH,
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
    )
