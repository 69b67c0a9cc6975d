"""A model's token tables, found in whatever file of it is at hand, and nothing else of it.

What adjusts a file has no use for a model that runs. One tensor is taken from a pipeline's folder, a text
encoder's folder, a checkpoint or a shard. Neither diffusers nor transformers is imported.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .. import anchors
from ..admission import check_tensors, is_there, json_from, reason, text_from, torch_from, unwrapped
from ..components import ONLY, Pipeline, encoder_name, encoders_of, token_table
from ..components.names import BY_WIDTH
from ..errors import FileFormatError, PipelineError, Setting
from ..geometry import norm, unit
from ..learned_embeds import LearnedEmbedding
from ..learned_embeds.embedding import match_encoders
from ..weight_files import loaded_into_models, opened
from .clip import TOKENS, bundled_tokenizer
from .tokenizers import CalledTokenizer, read_tokenizer, tokenizer_beside, tokenizer_for
from .words import unpadded, whole_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Vocabulary", "load_vocabularies", "vocabularies_for", "vocabularies_of"]

TABLE = re.compile(r"(.*\.)?(token_embedding|shared|embed_tokens)\.weight")
PREFIXES = {  # of checkpoints with several encoders: Stable Diffusion XL, its refiner, Stable Diffusion 3
    "conditioner.embedders.0.transformer.": "clip_l",
    "conditioner.embedders.1.model.": "clip_g",
    "conditioner.embedders.0.model.": "clip_g",
    "text_encoders.clip_l.": "clip_l",
    "text_encoders.clip_g.": "clip_g",
    "text_encoders.t5xxl.": "t5xxl",
}
CALLER = "vocabularies_of()"
OUTCOME = "its words cannot be read. Load the text encoder unquantised, on one device."
CHUNK = 256  # rows compared with all words at once: 50 MB of cosines
PLAIN = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """One text encoder's token table and the tokenizer that goes with it.

    Args:
        token_embeds: the token table, ``[tokens, dim]``.
        tokenizer: a ``tokenizers.Tokenizer``; None where none was found.
        source: where the table was found, for errors.
    """

    token_embeds: Tensor
    tokenizer: Tokenizer | None = None
    source: str = "this model"

    def anchor_vector(self, anchor: str) -> Tensor:
        """The vector of a word or phrase, ``[dim]``, found by tokenising it (``anchors.anchor_vector``).

        Raises: AnchorError; FileFormatError, without a tokenizer.
        """
        ids = anchors.anchor_token_ids(CalledTokenizer(self._needed_tokenizer()), anchor)
        if max(ids) >= len(self.token_embeds):
            raise FileFormatError(
                f"'{self.source}' has {len(self.token_embeds)} tokens, and '{anchor}' is the tokenizer's "
                f"{max(ids)}: they are not of one model. Give the model's own with ",
                Setting("tokenizer"),
                ".",
            )
        return anchors.anchor_vector(self.token_embeds, ids)

    def nearest(self, rows: Tensor, count: int) -> list[list[tuple[str, float]]]:
        """For each row the nearest words of the vocabulary and their cosines, best first.

        Args:
            rows: ``[rows, dim]``.
            count: how many words a row; fewer where the vocabulary has fewer.

        Raises: FileFormatError, without a tokenizer.
        """
        words, found = self.words, []
        for start in range(0, len(rows), CHUNK):
            some = rows[start : start + CHUNK]
            cosines, places = (unit(some.float()) @ self._directions.T).topk(min(count, len(words)))
            for row in zip(places.tolist(), cosines.tolist(), strict=True):
                found.append([(words[i], cosine) for i, cosine in zip(*row, strict=True)])
        return found

    def is_word(self, text: str) -> bool:
        """Whether ``text``, in whatever case, is one token: prompts that hold the word hold it.

        Without a tokenizer nobody knows, which counts as no.
        """
        if self.tokenizer is None or not text.isalpha():
            return False
        return len(unpadded(self.tokenizer.encode(text.lower(), add_special_tokens=False))) == 1

    @property
    def words(self) -> list[str]:
        """The tokens that are whole words: not pieces inside words, punctuation or specials."""
        return list(self._word_ids)

    def has(self, word: str) -> bool:
        """Whether it is one of the words."""
        return word in self._word_ids

    @cached_property
    def norms(self) -> Tensor:
        """The norms of the words' rows, ascending, ``[words]``."""
        return norm(self.token_embeds[list(self._word_ids.values())]).float().sort().values

    @property
    def made_with(self) -> Tensor:
        """The rows of the tokens that the model was made with, special ones left out, ``[tokens, dim]``; all
        rows without a tokenizer."""
        if self.tokenizer is None:
            return self.token_embeds
        added = self.tokenizer.get_added_tokens_decoder()
        ids = sorted(self.tokenizer.get_vocab(with_added_tokens=False).values())
        return self.token_embeds[[i for i in ids if i not in added and i < len(self.token_embeds)]]

    def percentiles(self, norms: Tensor) -> Tensor:
        """How many per cent of the words are shorter, for each of the norms."""
        return 100 * torch.searchsorted(self.norms, norms) / len(self.norms)

    @property
    def chance(self) -> float:
        """The cosine that the nearest of as many random directions would have, √(2 ln n / dim)."""
        return math.sqrt(2 * math.log(len(self._word_ids)) / self.token_embeds.shape[-1])

    @cached_property
    def _directions(self) -> Tensor:
        return unit(self.token_embeds[list(self._word_ids.values())].float())

    @cached_property
    def _word_ids(self) -> dict[str, int]:
        return whole_words(self._needed_tokenizer(), len(self.token_embeds))

    def _needed_tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            raise FileFormatError(
                f"'{self.source}' has no tokenizer beside it. Give the model's with ",
                Setting("tokenizer"),
                ": its folder, or its tokenizer.json.",
            )
        return self.tokenizer


def load_vocabularies(
    model: str | Path | Sequence[str | Path], tokenizer: str | Path | Sequence[str | Path] = ()
) -> dict[str, Vocabulary]:
    """The vocabularies of a model's text encoders, by the names that embedding files give encoders.

    Args:
        model: a pipeline's folder, a text encoder's, a ``.safetensors`` checkpoint with Stable Diffusion's or
            SDXL's key names, or a file with the token table in it; several files, one an encoder.
        tokenizer: folders or ``tokenizer.json`` files, for models without their own beside them. Each table
            takes the largest that fits it; one of CLIP's size takes CLIP's where none is given.

    Returns: "text_encoder" for a model with one encoder; else "clip_l", "clip_g", "t5xxl".
    Raises: PipelineError, for a model without a token table, or with a quantised one; FileFormatError, for
        a damaged file.
    """
    given = [read_tokenizer(Path(path)) for path in _listed(tokenizer)]
    found = [table for path in _listed(model) for table in _tables(Path(path).expanduser())]
    if len(found) > len({name for name, *_ in found}):
        found = [(BY_WIDTH.get(each[1].shape[-1], each[0]), *each[1:]) for each in found]
    vocabularies = {}
    for name, table, folder, source in found:
        if table.dtype not in PLAIN:
            raise PipelineError(
                f"'{source}': the token table is quantised ({table.dtype}), so its rows are not what the "
                "model was trained with. Give the model's text encoder in float32, float16 or bfloat16."
            )
        own = (tokenizer_beside(folder) if folder else None) or tokenizer_for(given, len(table))
        if own is None and len(table) == TOKENS:
            own = bundled_tokenizer()
        vocabularies[name] = Vocabulary(table, own, str(source))
    return vocabularies


def vocabularies_of(pipe: Pipeline) -> dict[str, Vocabulary]:
    """The vocabularies of the text encoders of a pipeline in memory, by the names that files give encoders.

    Returns: "text_encoder" for a pipeline with one encoder; else "clip_l", "clip_g", "t5xxl". Each token
        table, ``[tokens, dim]``, is on the CPU.
    Raises: PipelineError, for a pipeline without a text encoder, or with a table that cannot be read.
    """
    return {
        name: Vocabulary(
            token_table(encoder, CALLER, OUTCOME).cpu(),
            getattr(tokenizer, "backend_tokenizer", None),
            type(pipe).__name__,
        )
        for name, (tokenizer, encoder) in encoders_of(pipe, CALLER).items()
    }


def vocabularies_for(
    embedding: LearnedEmbedding, vocabularies: Mapping[str, Vocabulary], model: str = "this model"
) -> dict[str, Vocabulary]:
    """For each encoder of the embedding, the vocabulary that its vectors belong to.

    Args:
        model: what to call the model in an error.

    Raises: FileFormatError, when the vocabularies are another model's.
    """
    widths = {name: each.token_embeds.shape[-1] for name, each in vocabularies.items()}
    matches = match_encoders(embedding, widths, model)
    return {name: vocabularies[own] for name, own in matches.items()}


def _listed(paths: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)


Table = tuple[
    str, Tensor, Path | None, Path
]  # encoder, its table, its tokenizer's folder, where it was found


def _tables(path: Path) -> list[Table]:
    if not is_there(path):
        raise PipelineError(
            f"There is no model at '{path}'. Give a pipeline's or text encoder's folder, or a single "
            "file, on this machine: nothing is downloaded by its hub id here."
        )
    if path.is_file():
        found = _tables_in_file(path)
        beside = path.parent if len(found) == 1 else None
    elif encoders := sorted(folder for folder in path.glob("text_encoder*") if folder.is_dir()):
        return _tables_of_pipeline(path, encoders)
    else:
        found, beside = _tables_in_folder(path), path
    if not found:
        if path.is_file() and (other := loaded_into_models(path, opened(path)[0])):
            raise FileFormatError(f"'{path}' is {other[0]}, and no model. Give the one it was trained on.")
        raise PipelineError(
            f"'{path}' has no token table. Give a pipeline's or text encoder's folder, or a single file with "
            "the text encoder's weights."
        )
    return [(name, table, beside, path) for name, table in found.items()]


def _tables_of_pipeline(path: Path, encoders: list[Path]) -> list[Table]:
    found: list[Table] = []
    for folder in encoders:
        tables = _tables_in_folder(folder)
        if not tables:
            raise PipelineError(f"'{folder}' has no weights with a token table. Download the pipeline again.")
        taken = [name for name, *_ in found]
        name = ONLY if len(encoders) == 1 else encoder_name(_model_type(folder), taken, folder.name)
        found.append((name, next(iter(tables.values())), folder, path))
    return found


def _model_type(folder: Path) -> str:
    try:
        config = json_from(text_from(folder / "config.json"))
        return str(config.get("model_type", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _tables_in_folder(folder: Path) -> dict[str, Tensor]:
    """The first token table among the folder's weights, the plainest file name first."""
    files = [file for suffix in ("safetensors", "bin") for file in folder.glob(f"*.{suffix}")]
    for file in sorted(files, key=lambda file: (file.suffix == ".bin", len(file.name), file.name)):
        if found := _tables_in_file(file):
            return found
    return {}


def _tables_in_file(file: Path) -> dict[str, Tensor]:
    """The token tables in a file of weights, by encoder; nothing else of it is read."""
    from safetensors import safe_open

    found: dict[str, Tensor] = {}
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                for key in filter(TABLE.fullmatch, opened.keys()):
                    found.setdefault(_encoder_of(key), opened.get_tensor(key))
        else:
            weights = unwrapped(torch_from(file, mmap=True))
            for key in filter(TABLE.fullmatch, weights):
                found.setdefault(_encoder_of(key), weights[key])
    except Exception as error:  # each library has its own family of errors for a damaged file
        raise FileFormatError(
            f"'{file}' cannot be read as a model's weights: {reason(error)} Give a .safetensors file."
        ) from error
    check_tensors(found, file)
    if any(not isinstance(table, Tensor) or table.ndim != 2 for table in found.values()):
        raise FileFormatError(f"'{file}': its token table is no matrix. Give a model's text encoder.")
    return found


def _encoder_of(key: str) -> str:
    return next((name for prefix, name in PREFIXES.items() if key.startswith(prefix)), ONLY)
