"""A whole diagnosis, of an embedding file or of a pipeline: everything measured, put side by side.

Text in, figures out; nothing is printed here. What is drawn is in ``pictures.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from ..adjusters import Adjuster
from ..comparison import PERSONALISED, Arm, tea_arms
from ..components import Pipeline, encoders_of
from ..concept import Concept
from ..errors import UncollapseError
from ..learned_embeds import LearnedEmbedding
from ..vocabulary.tables import Vocabulary
from .contexts import Contexts
from .drift import Landmark, TokenDrift, landmarks, token_drift
from .pictures import Pictures
from .probe import Probe, ProbeSettings, arm_response, base_response, probe
from .prompt_figures import PromptFigures, prompt_figures
from .verdict import DRIFTED, PROMPT_BETA, Verdict, probe_verdict, token_verdict

__all__ = [
    "Diagnosis",
    "DiagnosisSettings",
    "diagnose_embeddings",
    "diagnose_pipeline",
    "diagnosing",
    "worst_first",
]


@dataclass(frozen=True)
class DiagnosisSettings:
    """How much is measured.

    Args:
        arms: tried by the probe; of those that bring the context back the first is advised.
        probe: None leaves the denoiser out.
        probe_contexts: how many of the contexts the denoiser is asked about.
        as_published: also the paper's own definitions.
    """

    arms: Sequence[Arm] = tuple(tea_arms((0.2, 0.4, 0.6), PROMPT_BETA))
    probe: ProbeSettings | None = field(default_factory=ProbeSettings)
    probe_contexts: int = 16
    as_published: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """Everything known of one concept.

    Args:
        subject: the file or model.
        placeholder, anchor: of the concept.
        verdict: None where nothing could be judged.
        tokens: token level; empty for a concept without learned vectors.
        landmarks: the special tokens among the words' norms.
        word_norms: the norms of the vocabulary's words, by encoder.
        prompts: prompt level, by text encoder as ``encoders_of`` names them; empty for a file.
        probe: the denoiser; None where it was left out or could not be asked.
        adjusted: the probe with adjustments in force, by arm.
        pictures: what was drawn; None where no pictures were asked for.
        contexts: where they come from, and how many.
        notes: what was left out and why.
    """

    subject: str
    placeholder: str
    anchor: str
    verdict: Verdict | None = None
    tokens: tuple[TokenDrift, ...] = ()
    landmarks: tuple[Landmark, ...] = ()
    word_norms: Mapping[str, Tensor] = field(default_factory=dict)
    prompts: Mapping[str, PromptFigures] = field(default_factory=dict)
    probe: Probe | None = None
    adjusted: Mapping[str, Probe] = field(default_factory=dict)
    pictures: Pictures | None = None
    contexts: str = ""
    notes: tuple[str, ...] = ()


def diagnose_embeddings(
    embeddings: Sequence[LearnedEmbedding],
    vocabularies: Mapping[str, Vocabulary],
    anchors: Sequence[str],
    adjuster: Adjuster,
    subjects: Sequence[str],
) -> list[Diagnosis]:
    """Token level, of any number of embeddings at once.

    Args:
        vocabularies: of the model's text encoders, by name.
        anchors: one for each embedding.
        adjuster: whose effect on the rows is shown.
        subjects: what each embedding is called, such as its file.

    Raises: FileFormatError, AnchorError.
    """
    marks = tuple(landmarks(vocabularies))
    norms = {name: each.norms for name, each in vocabularies.items()}
    found = token_drift(embeddings, vocabularies, anchors, adjuster)
    return [
        Diagnosis(
            subject,
            embedding.placeholder,
            anchor,
            token_verdict(rows, anchor),
            tuple(rows),
            marks,
            norms,
        )
        for subject, embedding, anchor, rows in zip(subjects, embeddings, anchors, found, strict=True)
    ]


def worst_first(found: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Diagnoses of embeddings: the drifted ones before the others, each by their longest vector."""

    def badness(d: Diagnosis) -> tuple[bool, float]:
        return d.verdict is not None and d.verdict.word == DRIFTED, max(row.norm_ratio for row in d.tokens)

    return sorted(found, key=badness, reverse=True)


def diagnose_pipeline(
    pipe: Pipeline,
    concept: Concept,
    contexts: Contexts,
    settings: DiagnosisSettings | None = None,
    *,
    base: Pipeline | None = None,
    subject: str = "",
    on_step: Callable[[int], object] = lambda count: None,
) -> Diagnosis:
    """Prompt level and denoiser, of a pipeline with the concept in it.

    Whatever one part cannot do is noted, and the others are measured all the same.

    Args:
        pipe: with the concept in it; left as it was found.
        concept: what it is called, and its anchor.
        contexts: sentences that the encoders hear to their end (``contexts.fitting``).
        settings: how much is measured, and which arms are tried.
        base: a pipeline that was never fine-tuned; None for ``pipe`` with its adapters off.
        subject: what reports call it; "" for the pipeline's class.
        on_step: called with 1 for each of the 3 + len(arms) parts just finished.
    """
    settings = settings or DiagnosisSettings()
    *_, whole = diagnosing(pipe, concept, contexts, settings, base=base, subject=subject, on_step=on_step)
    return whole


def diagnosing(
    pipe: Pipeline,
    concept: Concept,
    contexts: Contexts,
    settings: DiagnosisSettings,
    *,
    base: Pipeline | None = None,
    subject: str = "",
    on_step: Callable[[int], object] = lambda count: None,
) -> Iterator[Diagnosis]:
    """Diagnose a pipeline part by part, so that whoever is interrupted has what was measured until then.

    Args:
        pipe: with the concept in it; left as it was found.
        concept: what it is called, and its anchor.
        contexts: sentences that the encoders hear to their end (``contexts.fitting``).
        settings: how much is measured, and which arms are tried.
        base: a pipeline that was never fine-tuned; None for ``pipe`` with its adapters off.
        subject: what reports call it; "" for the pipeline's class.
        on_step: called with 1 for each of the 3 + len(arms) parts just finished.

    Yields: what is known after each text encoder, and at last the whole. A part that cannot be measured is
        noted in it, and raises nothing.
    """
    known = started = Diagnosis(
        subject or type(pipe).__name__,
        concept.placeholder,
        concept.anchor,
        contexts=f"{len(contexts)} of {contexts.source}",
    )
    for known in _read(started, pipe, concept, contexts, base, settings.as_published):
        yield known
    on_step(1)
    if settings.probe is None:
        yield noted(known, "Denoiser left out, and so there is no verdict.")
        return
    try:
        yield _probed(known, pipe, concept, contexts, settings, base, on_step)
    except UncollapseError as error:
        yield noted(known, f"Denoiser left out: {error}")


def noted(diagnosis: Diagnosis, note: str) -> Diagnosis:
    """With one more note."""
    return replace(diagnosis, notes=(*diagnosis.notes, note))


def _read(
    known: Diagnosis,
    pipe: Pipeline,
    concept: Concept,
    contexts: Contexts,
    base: Pipeline | None,
    as_published: bool,
) -> Iterator[Diagnosis]:
    """One text encoder after the other."""
    try:
        encoders = list(encoders_of(pipe, "diagnose"))
    except UncollapseError as error:
        yield noted(known, f"Prompt level left out: {error}")
        return
    for name in encoders:
        try:
            found = prompt_figures(pipe, concept, contexts, base, name, as_published)
            known = replace(known, prompts={**known.prompts, name: found})
        except UncollapseError as error:
            of = f" of {name}" if len(encoders) > 1 else ""
            known = noted(known, f"Prompt level{of} left out: {error}")
        yield known


def _probed(
    result: Diagnosis,
    pipe: Pipeline,
    concept: Concept,
    contexts: Contexts,
    settings: DiagnosisSettings,
    base: Pipeline | None,
    on_step: Callable[[int], object],
) -> Diagnosis:
    templates = contexts.first(settings.probe_contexts).templates
    reference = base_response(pipe, concept, templates, settings.probe, base)
    on_step(1)

    def asked(arm: Arm) -> Probe:
        found = probe(arm_response(pipe, concept, arm, templates, settings.probe, base), reference)
        on_step(1)
        return found

    plain = asked(PERSONALISED)
    adjusted = [(arm, asked(arm)) for arm in settings.arms]
    verdict = probe_verdict(plain, concept.anchor, adjusted)
    by_name = {arm.name: found for arm, found in adjusted}
    return replace(result, probe=plain, adjusted=by_name, verdict=verdict)
