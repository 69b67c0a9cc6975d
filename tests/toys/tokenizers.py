"""A real CLIP tokenizer of some thirty words, and what byte-pair tokenizers of other kinds are made of."""

from __future__ import annotations

import transformers

WORDS = """
    a an the of in on and near with photo picture cat dog car hat man woman snow beach grand canyon wearing
    red blue small big sitting under bridge snowy mountain sks carved by cats
"""
MAX_LENGTH = 24


def make_tokenizer(words: str = WORDS, max_length: int = MAX_LENGTH) -> transformers.CLIPTokenizer:
    """A CLIP tokenizer with one token for each of ``words``; other text falls into pieces."""
    letters = byte_letters()
    merges = merges_of(words.split())
    vocab = dict.fromkeys([*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges)])
    vocab |= dict.fromkeys(["<|startoftext|>", "<|endoftext|>"])
    ids = {token: i for i, token in enumerate(vocab)}
    return transformers.CLIPTokenizer(vocab=ids, merges=merges, model_max_length=max_length)


def merges_of(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, in order, that make every word whole; each is done everywhere before the next."""
    split = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges = []
    while pair := next((tuple(pieces[:2]) for pieces in split if len(pieces) > 1), None):
        merges.append(pair)
        for pieces in split:
            i = 0
            while i < len(pieces) - 1:
                if (pieces[i], pieces[i + 1]) == pair:
                    pieces[i : i + 2] = ["".join(pair)]
                i += 1
    return merges


def byte_letters() -> list[str]:
    """The 256 printable stand-ins for bytes, as byte-level BPE writes them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
