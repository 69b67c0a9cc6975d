"""``uncollapse diagnose`` on an embedding file, or on all in a folder."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from ..adjustment import Adjustment
from ..diagnosis.diagnose import Diagnosis, diagnose_embeddings, worst_first
from ..errors import FileFormatError, PipelineError, UncollapseWarning
from ..learned_embeds import LearnedEmbedding, read_all
from ..learned_embeds.reading import files_in
from ..subjects import located
from ..vocabulary.suggestions import suggest_anchors
from ..vocabulary.tables import Vocabulary, load_vocabularies, vocabularies_for


def diagnose_files(
    path: Path,
    model: Sequence[str] | None,
    tokenizer: Sequence[str] | None,
    anchor: str | None,
    adjustment: Adjustment,
) -> tuple[list[Diagnosis], list[str]]:
    """Token level, of a file or of all in a folder, the worst first; and what was skipped there, and why."""
    if not model:
        raise PipelineError(
            f"'{path}' is compared with the words of its model. Give the model's folder, or its text "
            "encoder's file, with --model."
        )
    vocabularies = load_vocabularies([located(each)[0] for each in model], tokenizer or ())
    files = files_in(path) if path.is_dir() else [path]
    embeddings, names, anchors, skipped = [], [], [], []
    for file in files:
        try:
            for each in read_all(file):
                vocabularies_for(each, vocabularies)  # which says whose it is, if it is another model's
                anchors.append(anchor or _suggested(each, vocabularies))
                embeddings.append(each)
                names.append(str(file))
        except FileFormatError as error:
            if not path.is_dir():
                raise
            said = str(error)
            skipped.append(said if str(file) in said else f"{file}: {said}")
            warnings.warn(f"Skipped: {skipped[-1]}", UncollapseWarning, stacklevel=2)
    if not embeddings:
        raise FileFormatError(f"{path}: a folder without an embedding file. Give one that holds some.")
    return worst_first(diagnose_embeddings(embeddings, vocabularies, anchors, adjustment, names)), skipped


def _suggested(embedding: LearnedEmbedding, vocabularies: dict[str, Vocabulary]) -> str:
    best = next(iter(suggest_anchors(embedding, vocabularies, 1)), None)
    if best is None:
        raise FileFormatError(f"What is '{embedding.placeholder}'? Name it with --anchor, such as dog.")
    return best.anchor
