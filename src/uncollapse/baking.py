"""Baking: the adjustment written into an embedding file that any program loads, and the way back.

A baked file has its source's layout and carries, in its metadata, what was done and the source itself, byte
for byte, so that it can be explained, reproduced and undone:

    uncollapse.version, .model                       by what, against which token table
    uncollapse.placeholder, .anchor                  of what, toward what
    uncollapse.alpha, .beta, .norm_blend             how far, where set; another adjuster's own settings,
                                                     and its name as .adjuster
    uncollapse.norm_before, .norm_after              {encoder: [a number a vector]}
    uncollapse.cosine_before, .cosine_after          to the anchor, likewise
    uncollapse.source, .source_sha256, .source_data  its name, checksum, and bytes in base64

Beside them stand ``modelspec.*``, by which user interfaces describe a file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .adjusters import Adjuster, Beside, adjust_rows
from .adjustment import Adjustment
from .errors import (
    AdjustmentError,
    AnchorError,
    EmbeddingError,
    FileFormatError,
    ForeignFileError,
    OutputError,
    Setting,
    UncollapseWarning,
)
from .geometry import norm, unit
from .learned_embeds import LearnedEmbedding, read_all, write
from .learned_embeds.interfaces import doubtful_header, doubtful_name, modelspec
from .learned_embeds.reading import files_at
from .output import write_atomically
from .vocabulary.tables import Vocabulary, vocabularies_for

__all__ = ["BakedRow", "bake", "is_baked", "unbake"]

OURS = "uncollapse."
MEASURED = ("norm_before", "norm_after", "cosine_before", "cosine_after")
ALIKE = 0.01  # of a vector's length: rounding, even to 8 bits, is less, and another model's anchor more
BAKED_LAYOUTS = {"diffusers": "diffusers", "a1111": "kohya", "kohya": "kohya", "encoders": "encoders"}


@dataclass(frozen=True)
class BakedRow:
    """One learned vector before and after; cosines are to the anchor."""

    placeholder: str
    encoder: str
    row: int
    norm_before: float
    norm_after: float
    cosine_before: float
    cosine_after: float


def bake(
    source: str | Path,
    output: str | Path,
    vocabularies: Mapping[str, Vocabulary],
    anchor: str,
    adjuster: Adjuster | None = None,
    *,
    overwrite: bool = False,
    stack: bool = False,
) -> list[BakedRow]:
    """Write the adjusted embedding to a file of its own; every vector of every encoder is adjusted.

    Args:
        source: an embedding file of any layout that ``learned_embeds.read`` knows, except one inside a LoRA
            or adapter. Where it holds several tokens (<s0>, <s1>), all move toward the anchor.
        output: a ``.safetensors`` file, the only kind that carries what was done. A1111's torch files and
            pictures become kohya's layout, which A1111 reads as well.
        vocabularies: of the model the embedding was trained for (``vocabulary.load_vocabularies``).
        anchor: what the concept is, in ordinary words.
        adjuster: how; the paper's, with the paper's settings, by default.
        overwrite: whether ``output`` may exist, or be the source.
        stack: write all vectors as one, in kohya's layout: of several tokens ComfyUI and InvokeAI read the
            first alone, and Forge none.

    Returns: what became of each vector.
    Raises: FileFormatError, AnchorError, AdjustmentError, EmbeddingError, OutputError; nothing is then
        written. What user interfaces cannot call, or read whole, is named in a warning.
    """
    source, output = Path(source), Path(output)
    file = one_file(source)
    made = adjusted_file(file, vocabularies, anchor, adjuster or Adjustment(), stack=stack)
    check_baked_output(output, overwrite)
    made.write(output)
    for doubt in made.doubts(output, vocabularies):
        warnings.warn(doubt, stacklevel=2)
    return made.rows


@dataclass(frozen=True)
class AdjustedFile:
    """What is in an embedding file, adjusted and not yet written.

    Args:
        embeddings: as they will be, without what is told of the baking.
        layout: of the file to be.
        rows: what became of each vector.
        provenance: what was done, and the source, as metadata.
        hint: the same for user interfaces, in words.
    """

    embeddings: list[LearnedEmbedding]
    layout: str
    rows: list[BakedRow]
    provenance: dict[str, str]
    hint: str

    def write(self, output: Path) -> Path:
        """Write the baked file."""
        spec = modelspec(self.embeddings[0], output.stem, self.hint)
        told = [
            each.replace(metadata={**spec, **each.metadata, **self.provenance}) for each in self.embeddings
        ]
        return write(output, told, self.layout)

    def stands_at(self, path: Path) -> bool:
        """Whether ``path`` was baked from the same bytes by the same settings, and holds the same vectors."""
        try:
            there = read_all(path)
        except FileFormatError:
            return False
        told = {name: value for name, value in there[0].metadata.items() if name.startswith(OURS)}
        if _settings(told) != _settings(self.provenance) or len(there) != len(self.embeddings):
            return False
        return all(_alike(a, b) for a, b in zip(there, self.embeddings, strict=True))

    def doubts(self, output: Path, vocabularies: Mapping[str, Vocabulary]) -> list[UncollapseWarning]:
        """What user interfaces cannot call, or read whole, of the file that was written to ``output``."""
        is_word = any(vocabulary.is_word(output.stem) for vocabulary in vocabularies.values())
        found = [
            UncollapseWarning(each)
            for each in (doubtful_name(output, is_word), doubtful_header(output))
            if each
        ]
        if len(self.embeddings) > 1:
            several = UncollapseWarning(
                f"{output}: holds {len(self.embeddings)} tokens, of which ComfyUI and InvokeAI read the "
                "first alone, and Forge none. For these write one embedding with ",
                Setting("stack"),
                ".",
            )
            found.append(several)
        return found


def adjusted_file(
    file: Path,
    vocabularies: Mapping[str, Vocabulary],
    anchor: str,
    adjuster: Adjuster,
    *,
    stack: bool = False,
) -> AdjustedFile:
    """Adjust what is in an embedding file; nothing is written.

    Raises: FileFormatError, AnchorError, AdjustmentError, EmbeddingError, OutputError.
    """
    embeddings = read_all(file)
    check_source(file, embeddings)
    check_anchor(anchor)
    check_level(adjuster)
    adjusted, rows = [], []
    for embedding in embeddings:
        moved, changes = _adjusted(file, embedding, vocabularies, anchor, adjuster)
        adjusted.append(moved)
        rows += changes
    model = next(iter(vocabularies.values())).source
    how = ", ".join(f"{name} {value}" for name, value in adjuster.settings().items() if value is not None)
    return AdjustedFile(
        [_stacked(file, adjusted)] if stack else adjusted,
        "kohya" if stack else BAKED_LAYOUTS[embeddings[0].layout],
        rows,
        _provenance(embeddings, anchor, adjuster, rows, Path(model).name) | _carried(file),
        f"baked by uncollapse: anchor {anchor}, {how}",
    )


def _settings(provenance: Mapping[str, str]) -> dict[str, str]:
    """What of it decides the vectors: not the version, and not what was measured."""
    measured = {OURS + name for name in ("version", *MEASURED)}
    return {name: value for name, value in provenance.items() if name not in measured}


def _alike(one: LearnedEmbedding, other: LearnedEmbedding) -> bool:
    """Whether both hold the same vectors, computed on whatever machine."""
    shapes = [{name: rows.shape for name, rows in each.vectors.items()} for each in (one, other)]
    if one.placeholder != other.placeholder or shapes[0] != shapes[1]:
        return False
    pairs = [(rows.float(), other.vectors[name].float()) for name, rows in one.vectors.items()]
    return all(bool((norm(a - b) <= ALIKE * norm(b)).all()) for a, b in pairs)


def unbake(baked: str | Path, output: str | Path, *, overwrite: bool = False) -> Path:
    """Write the file that was baked, byte for byte.

    Raises: FileFormatError, for a file that was not baked or was tampered with; OutputError.
    """
    output = Path(output)
    data, suffix = source_of(baked)
    if output.suffix != suffix:
        raise OutputError(f"{output}: the file that was baked is a {suffix} file. Give a name that ends so.")
    check_output(output, overwrite)
    return write_atomically(output, lambda scratch: scratch.write_bytes(data))


def source_of(baked: str | Path) -> tuple[bytes, str]:
    """The bytes of the file that was baked, and the suffix of its name.

    Raises: ForeignFileError, for a file that was not baked; FileFormatError, for one that was tampered with.
    """
    metadata = next(iter(read_all(baked))).metadata
    if not is_baked(metadata):
        raise ForeignFileError(f"{baked}: was not made by uncollapse bake, so there is nothing to undo.")
    try:
        data = base64.b64decode(metadata[OURS + "source_data"], validate=True)
    except ValueError:
        data = b""
    if hashlib.sha256(data).hexdigest() != metadata[OURS + "source_sha256"]:
        raise FileFormatError(f"{baked}: the source it carries is damaged. Use a copy that nobody edited.")
    return data, Path(metadata[OURS + "source"]).suffix


def is_baked(metadata: Mapping[str, str]) -> bool:
    """Whether a file's metadata say that it was baked, and carry its source."""
    return {OURS + "source_data", OURS + "source_sha256", OURS + "source"} <= set(metadata)


def check_baked_output(output: Path, overwrite: bool) -> None:
    """Raise OutputError, unless a baked file can be written there, and tell later what it is."""
    if output.suffix != ".safetensors":
        raise OutputError(
            f"{output}: baked files are written to .safetensors, since other kinds cannot carry what was "
            "done and the way back. Every program that loads embeddings loads it."
        )
    check_output(output, overwrite)


def check_output(output: Path, overwrite: bool) -> None:
    """Raise OutputError, unless ``output`` is free or may be overwritten."""
    if output.exists() and not overwrite:
        raise OutputError(
            f"{output}: exists already. Give another name with ",
            Setting("output"),
            ", or ",
            Setting("overwrite"),
            ".",
        )


def check_anchor(anchor: str) -> None:
    """Raise AnchorError, unless it names something. It may be the file's own name: it is another vector."""
    if not anchor.strip():
        raise AnchorError(
            "The anchor is empty, so there is nothing to move toward. Give a word, such as cat."
        )


def check_level(adjuster: Adjuster) -> None:
    """Raise AdjustmentError for an adjuster of prompts."""
    if "token" not in adjuster.levels:
        raise AdjustmentError(
            f"bake(): {adjuster.label} is meant for prompts, not for the learned vectors of a file. Take "
            "another adjuster."
        )


def one_file(source: Path) -> Path:
    """The embedding file that ``source`` is, or the only one of a concept's folder.

    Raises: FileFormatError.
    """
    try:
        files = files_at(source)
    except FileFormatError as error:
        folder = (" A folder of them is baked to a folder: name one with ", Setting("output"), ".")
        raise FileFormatError(*error.parts, *(folder if source.is_dir() else ())) from error
    if len(files) > 1:
        raise FileFormatError(
            f"{source}: holds {len(files)} embedding files. Give one of them, or a folder for all with ",
            Setting("output"),
            ".",
        )
    return files[0]


def check_source(file: Path, embeddings: list[LearnedEmbedding]) -> None:
    layout = embeddings[0].layout
    if layout not in BAKED_LAYOUTS:
        raise ForeignFileError(
            f"{file}: holds more than embeddings (layout {layout!r}). Take the embedding out first: "
            "learned_embeds.write(path, learned_embeds.read(file, placeholder))."
        )
    if is_baked(embeddings[0].metadata):
        raise FileFormatError(
            f"{file}: is baked already, and baking it again would move it twice. Start from the file that "
            "uncollapse unbake gives back."
        )


def _stacked(file: Path, embeddings: list[LearnedEmbedding]) -> LearnedEmbedding:
    """All their vectors in one embedding, called what prompts wrote one after the other."""
    [name, *others] = {name for each in embeddings for name in each.vectors}
    if others:
        raise OutputError(
            f"{file}: has vectors for several encoders, each under a key of its own, as user interfaces read "
            "them. Leave ",
            Setting("stack"),
            " out.",
        )
    rows = torch.cat([each.vectors[name] for each in embeddings])
    metadata = {key: value for each in embeddings for key, value in each.metadata.items()}
    placeholder = "".join(each.placeholder for each in embeddings)
    return embeddings[0].replace(placeholder=placeholder, vectors={name: rows}, metadata=metadata)


def _adjusted(
    file: Path,
    embedding: LearnedEmbedding,
    vocabularies: Mapping[str, Vocabulary],
    anchor: str,
    adjuster: Adjuster,
) -> tuple[LearnedEmbedding, list[BakedRow]]:
    source = next(iter(vocabularies.values())).source
    if adjuster.beside is not Beside.ANCHOR or "token" not in adjuster.levels:
        raise AdjustmentError(
            f"bake(): {adjuster.label} is for pipelines alone, so no file can carry it. Draw with it: "
            "uncollapse.apply(pipe, …, adjuster=…)."
        )
    try:
        own = vocabularies_for(embedding, vocabularies, f"'{source}'")
    except ForeignFileError as error:
        raise ForeignFileError(f"{file}: ", *error.parts) from error
    vectors, changes = {}, []
    for name, v in embedding.vectors.items():
        _check_rows(file, embedding.placeholder, v)
        c = own[name].anchor_vector(anchor)
        vectors[name] = adjust_rows(adjuster, v, c, own[name].made_with)
        changes += [
            BakedRow(embedding.placeholder, name, row, *numbers)
            for row, numbers in enumerate(zip(*_measured(v, vectors[name], c), strict=True))
        ]
    return embedding.replace(vectors=vectors), changes


def _measured(before: Tensor, after: Tensor, c: Tensor) -> list[list[float]]:
    """Norms before and after, cosines to the anchor before and after; a number a row."""
    norms = [norm(rows).float().tolist() for rows in (before, after)]
    return norms + [(unit(rows.float()) @ unit(c.float())).tolist() for rows in (before, after)]


def _check_rows(file: Path, placeholder: str, rows: Tensor) -> None:
    zero = [row for row, vector in enumerate(rows) if not vector.any()]
    if zero:
        raise EmbeddingError(
            f"{file}: vector {zero[0]} of {placeholder!r} is zero, so it has no direction to adjust. Use a "
            "trained embedding."
        )


def _provenance(
    embeddings: list[LearnedEmbedding], anchor: str, adjuster: Adjuster, rows: list[BakedRow], model: str
) -> dict[str, str]:
    from . import __version__

    found: dict[str, str] = {
        "version": __version__,
        "model": model,
        "placeholder": " ".join(each.placeholder for each in embeddings),
        "anchor": anchor,
        **{name: str(value) for name, value in adjuster.settings().items() if value is not None},
    }
    for what in MEASURED:
        encoders = dict.fromkeys(row.encoder for row in rows)
        numbers = {name: [getattr(row, what) for row in rows if row.encoder == name] for name in encoders}
        found[what] = json.dumps(numbers)
    return {OURS + name: value for name, value in found.items()}


def _carried(file: Path) -> dict[str, str]:
    data = file.read_bytes()
    return {
        OURS + "source": file.name,
        OURS + "source_sha256": hashlib.sha256(data).hexdigest(),
        OURS + "source_data": base64.b64encode(data).decode("ascii"),
    }
