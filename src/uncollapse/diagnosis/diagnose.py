"""A whole diagnosis, of an embedding file or of a pipeline: everything measured, put side by side.

Text in, figures out; nothing is drawn and nothing printed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Tensor

from ..adjustment import Adjustment
from ..concept import Concept
from ..errors import UncollapseError
from ..learned_embeds import LearnedEmbedding
from ..pipelines import apply
from ..vocabulary import Vocabulary
from .bootstrap import Interval, mean_interval, set_intervals
from .contexts import Contexts
from .distances import Distances, distances
from .drift import Landmark, TokenDrift, landmarks, token_drift
from .probe import Probe, ProbeSettings, base_response, probe, response
from .prompts import PromptDrift, encode_both, encoder_of, prompt_drift
from .published import WARNINGS, Published, published
from .spread import SetSpread, set_spread
from .verdict import PROMPT_BETA, Verdict, probe_verdict, token_verdict

__all__ = ["Diagnosis", "DiagnosisSettings", "PromptFigures", "diagnose_embeddings", "diagnose_pipeline"]


@dataclass(frozen=True)
class DiagnosisSettings:
    """How much is measured.

    Args:
        adjustment: shown at token level.
        alphas: tried by the probe.
        probe: None leaves the denoiser out.
        probe_contexts: how many of the contexts the denoiser is asked about.
        as_published: also the paper's own definitions.
    """

    adjustment: Adjustment = field(default_factory=Adjustment)
    alphas: tuple[float, ...] = (0.2, 0.4, 0.6)
    probe: ProbeSettings | None = field(default_factory=ProbeSettings)
    probe_contexts: int = 16
    as_published: bool = False


@dataclass(frozen=True)
class PromptFigures:
    """The prompt level in numbers.

    Args:
        context, concept, pooled, norm_ratio: means over contexts with intervals, as in ``prompts.py``.
        between, within, within_anchor: as in ``distances.py`` and ``spread.py``.
        intervals: of those statistics that have one.
        drift: the values by context.
        published: by the paper's definitions: "between", "within", "within anchor".
    """

    context: Interval
    concept: Interval
    pooled: Interval
    norm_ratio: Interval
    between: Distances
    within: SetSpread
    within_anchor: SetSpread
    intervals: Mapping[str, Interval]
    drift: PromptDrift
    published: Mapping[str, Published] | None = None


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
        prompt: prompt level; None for a file, or where the encoder cannot be read.
        probe: the denoiser; None where it was left out or could not be asked.
        adjusted: the probe with adjustments in force, by α.
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
    prompt: PromptFigures | None = None
    probe: Probe | None = None
    adjusted: Mapping[float, Probe] = field(default_factory=dict)
    contexts: str = ""
    notes: tuple[str, ...] = ()


def diagnose_embeddings(
    embeddings: Sequence[LearnedEmbedding],
    vocabularies: Mapping[str, Vocabulary],
    anchors: Sequence[str],
    adjustment: Adjustment,
    subjects: Sequence[str],
) -> list[Diagnosis]:
    """Token level, of any number of embeddings at once.

    Raises: FileFormatError, AnchorError.
    """
    marks = tuple(landmarks(vocabularies))
    norms = {name: each.norms for name, each in vocabularies.items()}
    found = token_drift(embeddings, vocabularies, anchors, adjustment)
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


def diagnose_pipeline(
    pipe: Any,
    concept: Concept,
    contexts: Contexts,
    settings: DiagnosisSettings | None = None,
    *,
    base: Any = None,
    subject: str = "",
    on_step: Callable[[int], object] = lambda count: None,
) -> Diagnosis:
    """Prompt level and denoiser, of a pipeline with the concept in it.

    Whatever one part cannot do is noted, and the others are measured all the same.

    Args:
        contexts: sentences that the encoder hears to their end (``contexts.fitting``).
        base: a pipeline that was never fine-tuned; None for ``pipe`` with its adapters off.
        on_step: called with 1 for each of the 3 + len(alphas) parts just finished.
    """
    settings = settings or DiagnosisSettings()
    result = Diagnosis(
        subject or type(pipe).__name__,
        concept.placeholder,
        concept.anchor,
        contexts=f"{len(contexts)} of {contexts.source}",
    )
    try:
        result = replace(result, prompt=_prompt_figures(pipe, concept, contexts, base, settings.as_published))
    except UncollapseError as error:
        result = replace(result, notes=(*result.notes, f"Prompt level left out: {error}"))
    on_step(1)
    if settings.probe is None:
        return replace(result, notes=(*result.notes, "Denoiser left out, and so there is no verdict."))
    try:
        result = _probed(result, pipe, concept, contexts, settings, base, on_step)
    except UncollapseError as error:
        result = replace(result, notes=(*result.notes, f"Denoiser left out: {error}"))
    return result


def _prompt_figures(
    pipe: Any, concept: Concept, contexts: Contexts, base: Any, as_published: bool
) -> PromptFigures:
    drift = prompt_drift(encoder_of(pipe)[0], concept, *encode_both(pipe, concept, contexts, base))
    P, Q = drift.P, drift.Q
    sets = {"between": (P, Q), "within": (P, P), "within anchor": (Q, Q)}
    return PromptFigures(
        mean_interval(drift.context[drift.context.isfinite()]),
        mean_interval(drift.concept),
        mean_interval(drift.pooled),
        mean_interval(drift.norm_ratio),
        distances(P, Q, paired=True),
        set_spread(P, Q),
        set_spread(Q),
        set_intervals(P, Q),
        drift,
        {name: published(*pair) for name, pair in sets.items()} if as_published else None,
    )


def _probed(
    result: Diagnosis,
    pipe: Any,
    concept: Concept,
    contexts: Contexts,
    settings: DiagnosisSettings,
    base: Any,
    on_step: Callable[[int], object],
) -> Diagnosis:
    templates = contexts.first(settings.probe_contexts).templates
    reference = base_response(pipe, concept, templates, settings.probe, base)
    on_step(1)

    def asked() -> Probe:
        found = probe(response(pipe, concept.placeholder, templates, settings.probe), reference)
        on_step(1)
        return found

    plain, adjusted = asked(), {}
    for alpha in settings.alphas:
        with apply(pipe, replace(concept, alpha=alpha, beta=PROMPT_BETA, norm_blend=None), base=base):
            adjusted[alpha] = asked()
    verdict = probe_verdict(plain, concept.anchor, adjusted, PROMPT_BETA)
    return replace(result, probe=plain, adjusted=adjusted, verdict=verdict)


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """All of it but the vectors, ready for ``json.dumps``; ``nan`` becomes ``None``."""
    d = diagnosis
    return plain(
        {
            "subject": d.subject,
            "placeholder": d.placeholder,
            "anchor": d.anchor,
            "verdict": asdict(d.verdict) if d.verdict else None,
            "tokens": [asdict(row) for row in d.tokens],
            "landmarks": [asdict(mark) for mark in d.landmarks],
            "contexts": d.contexts,
            "prompt": _prompt_json(d.prompt) if d.prompt else None,
            "probe": _probe_json(d.probe) if d.probe else None,
            "adjusted": {f"{alpha:g}": _probe_json(each) for alpha, each in d.adjusted.items()},
            "notes": list(d.notes),
        }
    )


def _probe_json(found: Probe) -> dict[str, Any]:
    names = ("response", "cosine", "heard", "presence")
    return {name: asdict(getattr(found, name)) for name in names} | {"by_context": found.by_context.tolist()}


def _prompt_json(figures: PromptFigures) -> dict[str, Any]:
    named = {name: asdict(getattr(figures, name)) for name in ("context", "concept", "pooled", "norm_ratio")}
    sets = {name: asdict(getattr(figures, name)) for name in ("between", "within", "within_anchor")}
    more: dict[str, Any] = {"intervals": {name: asdict(each) for name, each in figures.intervals.items()}}
    if figures.published is not None:
        more["published"] = {name: asdict(each) for name, each in figures.published.items()}
        more["published_warnings"] = WARNINGS
    return named | sets | more


def plain(value: Any) -> Any:
    """JSON has no ``nan``."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
