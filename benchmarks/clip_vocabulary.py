"""CLIP's own tokenizer, of the vocabulary that comes with the package."""

from __future__ import annotations

import transformers

from uncollapse.vocabulary.clip import clip_vocabulary


def clip_tokenizer() -> transformers.CLIPTokenizer:
    """A new one, of 49,408 tokens."""
    vocab, merges = clip_vocabulary()
    return transformers.CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)
