"""Pairs the tokens of a prompt with those of its anchor twin, word by word.

"a sks cat wearing a hat" and "a cat wearing a hat" differ in length, so pairing by position would rotate
"wearing" toward "a". The text is known, or read back from an encoder's token ids (``text_of``), templates
around the prompt and all; the twin was made by replacing known characters (``placeholders.substitute``), and
the tokenizer says which characters each token covers (``locate``), so the pairing is exact (``pair_tokens``).

    tokens     what a row of token ids says, and where in the text each token is
    words      two such rows, paired by what each token stands for
    ends       two rows that cannot be read, paired by what both begin and end with
    warping    two sequences of which no tokens can be seen, paired by what their items look like
"""

from .ends import pair_ends
from .tokens import NOWHERE, Tokens, decoded, has_offsets, locate, text_of
from .warping import align
from .words import ALONE, pair_tokens, phrase_of_tokens

__all__ = [
    "ALONE",
    "NOWHERE",
    "Tokens",
    "align",
    "decoded",
    "has_offsets",
    "locate",
    "pair_ends",
    "pair_tokens",
    "phrase_of_tokens",
    "text_of",
]
