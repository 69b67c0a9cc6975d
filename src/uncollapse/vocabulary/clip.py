"""CLIP's own vocabulary, bundled: a checkpoint in one file has the token table in it, and not the words.

Every CLIP among the text encoders of Stable Diffusion 1, 2, 3, XL and Flux has these 49,408 tokens: first the
bytes, then the bytes that end a word, the merges, and two marks. The licence is in ``data/LICENSE-CLIP``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .tokenizers import clip_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["END", "MERGES", "START", "TOKENS", "bundled_tokenizer", "clip_vocabulary"]

MERGES = Path(__file__).parent / "data" / "clip_merges.txt"
TOKENS = 49408
START, END = "<|startoftext|>", "<|endoftext|>"


def clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's tokens with their ids, and the merges, first things first."""
    lines = MERGES.read_text(encoding="utf-8").splitlines()[1:]
    merges = [(first, second) for first, _, second in (line.partition(" ") for line in lines)]
    letters = _byte_letters()
    tokens = [*letters, *(f"{each}</w>" for each in letters), *(a + b for a, b in merges), START, END]
    return {token: i for i, token in enumerate(tokens)}, merges


@cache
def bundled_tokenizer() -> Tokenizer:
    """CLIP's tokenizer, as the ``tokenizers`` library has it."""
    return clip_tokenizer(*clip_vocabulary())


def _byte_letters() -> list[str]:
    """What stands for each byte: itself where it prints, else a letter from 256 on; the former come first."""
    printing = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    return [chr(byte) for byte in printing] + [chr(256 + i) for i in range(256 - len(printing))]
