"""Folders of embedding files: each baked, or given back, on its own; what is left out is said.

What becomes of a file, in a word:

    baked, given back   it was written
    kept                it is there already, of the same source by the same settings
    in place            it has not drifted from its anchor, so that there is nothing to adjust
    baked already       … and would be moved twice
    not baked           … so that there is nothing to undo
    no anchor           nobody says what it is, and no word is nearer to it than chance
    foreign             it holds no embedding, or one of another model
    refused             something else is where it would be written
    failed              it cannot be read, or not be adjusted

The output has the folders of the input. Each file is whole as soon as it is there, so that the same call goes
on where one was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from .adjusters import Adjuster
from .adjustment import Adjustment
from .baking import (
    BakedRow,
    adjusted_file,
    check_anchor,
    check_level,
    check_source,
    is_baked,
    source_of,
)
from .errors import AnchorError, FileFormatError, ForeignFileError, OutputError, Setting, UncollapseError
from .errors import UncollapseWarning as Note
from .learned_embeds import LearnedEmbedding, read_all
from .learned_embeds.reading import SUFFIXES, files_in
from .output import check_writable, write_atomically
from .vocabulary.inspection import IN_PLACE, placed
from .vocabulary.suggestions import STATED_IN_FILE, Suggestion, suggest_anchors
from .vocabulary.tables import Vocabulary, vocabularies_for

__all__ = ["Outcome", "bake_folder", "files_to_bake", "unbake_folder"]

GIVEN = "given"
BAKED = ".safetensors"


@dataclass(frozen=True)
class Outcome:
    """What became of one file of a folder.

    Args:
        file: which.
        word: what became of it; the module lists the words.
        output: the file that is there now; None where there is none.
        anchor, origin: toward what, and who says so: "given", "stated" in the file, in its "name", or
            "nearest". Where there is "no anchor", the best of those that are only chance.
        rows: what became of each vector, or would have; empty where nothing was adjusted.
        notes: why, where it was to be otherwise, and what is doubtful about the file that was written.
    """

    file: Path
    word: str
    output: Path | None = None
    anchor: str | None = None
    origin: str | None = None
    rows: tuple[BakedRow, ...] = ()
    notes: tuple[Note, ...] = ()


def files_to_bake(source: Path, output: Path) -> list[Path]:
    """The files of the folder ``source`` that are gone through: ``output`` may lie in it, and is left out.

    Raises: FileFormatError, where there are none.
    """
    here, there = source.resolve(), output.resolve()
    files = files_in(source)
    if there != here and there.is_relative_to(here):
        files = [each for each in files if not each.resolve().is_relative_to(there)]
    if not files:
        raise FileFormatError(f"{source}: a folder without an embedding file. Give one that holds some.")
    return files


def bake_folder(
    source: str | Path,
    output: str | Path,
    vocabularies: Mapping[str, Vocabulary],
    anchor: str | None = None,
    adjuster: Adjuster | None = None,
    *,
    anchors: Mapping[str, str] | None = None,
    overwrite: bool = False,
    stack: bool = False,
) -> Iterator[Outcome]:
    """Bake the files of a folder that have drifted, each into a file of the same name in another folder.

    Args:
        source: the folder; those in it are gone through too.
        output: the folder to write to.
        vocabularies: of the model the embeddings were trained for, with tokenizers.
        anchor: what the concepts are; None for what each file states, else the best suggestion that is
            nearer than chance.
        adjuster: how; the paper's, with the paper's settings, by default.
        anchors: what single concepts are, by their file's path within ``source``, with ``/``.
        overwrite: whether what is in ``output`` may be replaced, and ``output`` be ``source``.
        stack: write the tokens of a file that has several as one embedding (``baking.bake``).

    Returns: what becomes of each file, one after the other, as it happens.
    Raises: FileFormatError, AnchorError, AdjustmentError, OutputError, for what holds for all files; nothing
        is then written. On the way OutputError, where the system refuses to write.
    """
    source, output, adjuster = Path(source), Path(output), adjuster or Adjustment()
    check_level(adjuster)
    files = _checked(source, output, overwrite)
    for each in {*([] if anchor is None else [anchor]), *(anchors or {}).values()}:
        check_anchor(each)
        for vocabulary in vocabularies.values():
            vocabulary.anchor_vector(each)
    for vocabulary in vocabularies.values():
        _ = vocabulary.words  # without a tokenizer it fails here, for all
    given = dict.fromkeys((_name(source, file) for file in files), anchor)
    for name, own in (anchors or {}).items():
        if name not in given:
            raise AnchorError(
                Setting("anchors"),
                f" names '{name}', and '{source}' holds no such embedding file. Give paths "
                "as they are within the folder.",
            )
        given[name] = own
    places = _Places(files, overwrite)

    def baked(file: Path) -> Outcome:
        name = _name(source, file)
        return _baked(file, output / name, vocabularies, given[name], adjuster, stack, places)

    return _each(files, baked)


def unbake_folder(source: str | Path, output: str | Path, *, overwrite: bool = False) -> Iterator[Outcome]:
    """Give back the files that were baked of a folder, byte for byte, under the names of the baked ones.

    Args:
        source: the folder; those in it are gone through too.
        output: the folder to write to.
        overwrite: whether what is in ``output`` may be replaced, and ``output`` be ``source``.

    Returns: what becomes of each file, one after the other, as it happens.
    Raises: FileFormatError, OutputError, for what holds for all files. On the way OutputError, where the
        system refuses to write.
    """
    source, output = Path(source), Path(output)
    files = _checked(source, output, overwrite)
    places = _Places(files, overwrite)
    return _each(files, lambda file: _given_back(file, output / _name(source, file), places))


def _name(source: Path, file: Path) -> str:
    return file.relative_to(source).as_posix()


def _checked(source: Path, output: Path, overwrite: bool) -> list[Path]:
    if output.resolve() == source.resolve() and not overwrite:
        raise OutputError(
            f"{output}: is the folder that the files are in. Give another with ",
            Setting("output"),
            ", or replace them with ",
            Setting("overwrite"),
            ".",
        )
    check_writable(output)
    return files_to_bake(source, output)


def _each(files: list[Path], treat: Callable[[Path], Outcome]) -> Iterator[Outcome]:
    """What becomes of each; what is wrong with one is no matter of the next."""
    for file in files:
        try:
            yield treat(file)
        except ForeignFileError as error:
            yield Outcome(file, "foreign", notes=(Note(*error.parts),))
        except UncollapseError as error:
            if isinstance(error, OutputError) and isinstance(error.__cause__, OSError):  # such as a full disk
                raise
            yield Outcome(file, "failed", notes=(Note(*error.parts),))


class _Places:
    """Where files may be written: no two in one place, none over another of the folder.

    Args:
        overwrite: whether over what else is there.
    """

    def __init__(self, files: list[Path], overwrite: bool) -> None:
        self.files = {file.resolve() for file in files}
        self.overwrite = overwrite
        self.taken: dict[Path, Path] = {}

    def put(
        self,
        file: Path,
        output: Path,
        word: str,
        stands: Callable[[Path], bool],
        write: Callable[[Path], object],
    ) -> Outcome:
        """Have ``output`` written, which makes the outcome ``word``, unless it stands there or may not."""
        place = output.resolve()
        if place in self.taken:
            return _refused(
                file, f"{file}: would be written to {output}, as {self.taken[place]} is. Rename one of them."
            )
        if output.exists() and stands(output):
            self.taken[place] = file
            return Outcome(file, "kept", output)
        if place in self.files and place != file.resolve():
            return _refused(
                file, f"{file}: would replace {output}, which is an embedding of its own. Rename one of them."
            )
        if output.exists() and not self.overwrite:
            other = (
                f"{output}: exists already, and is not what {file} becomes by these settings. Give another "
            )
            return _refused(
                file, other, "folder with ", Setting("output"), ", or ", Setting("overwrite"), "."
            )
        self.taken[place] = file
        write(output)
        return Outcome(file, word, output)


def _refused(file: Path, *parts: str) -> Outcome:
    return Outcome(file, "refused", notes=(Note(*parts),))


def _baked(
    file: Path,
    output: Path,
    vocabularies: Mapping[str, Vocabulary],
    given: str | None,
    adjuster: Adjuster,
    stack: bool,
    places: _Places,
) -> Outcome:
    embeddings = read_all(file)
    if is_baked(embeddings[0].metadata):
        return Outcome(file, "baked already")
    check_source(file, embeddings)
    anchor, origin = given, GIVEN
    if anchor is None:
        best = _suggested(file, embeddings[0], vocabularies)
        anchor, origin = best.anchor, best.origin
        if best.poor and origin != STATED_IN_FILE:
            return Outcome(file, "no anchor", None, anchor, origin)
    made = adjusted_file(file, vocabularies, anchor, adjuster, stack=stack and len(embeddings) > 1)
    if _placed(embeddings, made.rows, vocabularies) == IN_PLACE:
        found = Outcome(file, IN_PLACE)
    else:
        found = places.put(file, output.with_suffix(BAKED), "baked", made.stands_at, made.write)
    if found.word == "baked" and found.output:
        found = replace(found, notes=tuple(made.doubts(found.output, vocabularies)))
    return replace(found, anchor=anchor, origin=origin, rows=tuple(made.rows))


def _suggested(file: Path, embedding: LearnedEmbedding, vocabularies: Mapping[str, Vocabulary]) -> Suggestion:
    try:
        return suggest_anchors(embedding, vocabularies, 1)[0]
    except ForeignFileError as error:
        raise ForeignFileError(f"{file}: ", *error.parts) from error


def _placed(
    embeddings: list[LearnedEmbedding], rows: list[BakedRow], vocabularies: Mapping[str, Vocabulary]
) -> str:
    """Whether the vectors have drifted from the anchor, all of a file's together."""
    own = {
        (each.placeholder, encoder): vocabulary
        for each in embeddings
        for encoder, vocabulary in vocabularies_for(each, vocabularies).items()
    }

    def judged(row: BakedRow) -> tuple[float, float, float]:
        vocabulary = own[row.placeholder, row.encoder]
        percentile = vocabulary.percentiles(torch.tensor([row.norm_before])).item()
        return percentile, row.cosine_before, vocabulary.chance

    return placed(map(judged, rows))


def _given_back(file: Path, output: Path, places: _Places) -> Outcome:
    if file.suffix != BAKED:
        return Outcome(file, "not baked")
    try:
        data, suffix = source_of(file)
    except ForeignFileError:
        return Outcome(file, "not baked")
    if suffix.lower() not in SUFFIXES:
        raise FileFormatError(
            f"{file}: says that it was baked from a '{suffix}' file, which no embedding is. Give it back on "
            "its own if you trust it."
        )
    output = output.with_suffix(suffix)
    return places.put(
        file,
        output,
        "given back",
        lambda there: there.read_bytes() == data,
        lambda place: write_atomically(place, lambda scratch: scratch.write_bytes(data)),
    )
