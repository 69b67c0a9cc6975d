"""A model's tokenizer, found in its files and built by the ``tokenizers`` library.

It comes from ``tokenizer.json``, or from CLIP's two older files, ``vocab.json`` and ``merges.txt``, as Stable
Diffusion's first repositories have them; transformers is not imported for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FileFormatError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["CalledTokenizer", "clip_tokenizer", "read_tokenizer", "tokenizer_beside", "tokenizer_for"]

CLIP_PIECES = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer at ``path``: a ``tokenizer.json``, a folder with one, or CLIP's two older files.

    Raises: FileFormatError.
    """
    from tokenizers import Tokenizer, models

    folder = path / "tokenizer" if (path / "tokenizer").is_dir() else path
    file = folder / "tokenizer.json" if folder.is_dir() else folder
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    try:
        if not file.is_file() and vocab.is_file() and merges.is_file():
            return clip_tokenizer(*models.BPE.read_file(str(vocab), str(merges)))
        return Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises plain Exception
        raise FileFormatError(
            f"'{path}' holds no tokenizer that can be read. Give a tokenizer.json, or a folder with one or "
            "with CLIP's vocab.json and merges.txt."
        ) from error


def tokenizer_beside(folder: Path) -> Tokenizer | None:
    """The tokenizer in a text encoder's folder, or in the one that stands beside it in a pipeline."""
    folder = folder.absolute()  # the current one has no name otherwise
    for place in (folder, folder.with_name(folder.name.replace("text_encoder", "tokenizer"))):
        if (place / "tokenizer.json").is_file() or (place / "merges.txt").is_file():
            return read_tokenizer(place)
    return None


def tokenizer_for(tokenizers: Iterable[Tokenizer], rows: int) -> Tokenizer | None:
    """The largest of the tokenizers that a token table of ``rows`` rows has a row for each token of."""
    sizes = {tokenizer.get_vocab_size(): tokenizer for tokenizer in tokenizers}
    fitting = [size for size in sizes if size <= rows]
    return sizes[max(fitting)] if fitting else None


class CalledTokenizer:
    """A ``tokenizers.Tokenizer``, called as transformers' are: as much of it as an anchor's ids need."""

    is_fast = True

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self.all_special_ids = [i for i, token in added.items() if token.special]

    def __call__(self, text: str, **_: Any) -> dict[str, list[Any]]:
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        return {"input_ids": encoding.ids, "offset_mapping": encoding.offsets}


def clip_tokenizer(vocab: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """CLIP's byte-pair encoding: lower case, split into words, their last letter marked </w>."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

    model = models.BPE(
        vocab,
        merges,
        unk_token="<|endoftext|>",
        end_of_word_suffix="</w>",
        continuing_subword_prefix="",
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_PIECES), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in ("<|startoftext|>", "<|endoftext|>")]
    )
    return tokenizer
