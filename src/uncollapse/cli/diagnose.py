"""``uncollapse diagnose``: is a concept collapsing, for a file, a model or a whole training."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ..adjustment import ALPHA, BETA, Adjustment
from ..diagnosis.asked_contexts import IncompleteContextsError, ask_for_contexts
from ..diagnosis.contexts import Contexts, contexts_for, fitting, read_contexts
from ..diagnosis.diagnose import (
    Diagnosis,
    DiagnosisSettings,
    as_json,
    diagnose_embeddings,
    diagnose_pipeline,
)
from ..diagnosis.probe import ProbeSettings
from ..diagnosis.prompts import token_counts
from ..diagnosis.report import save_diagnosis
from ..diagnosis.verdict import token_verdict
from ..errors import FileFormatError, PipelineError, UncollapseWarning
from ..learned_embeds import LearnedEmbedding, read_all
from ..learned_embeds.reading import SUFFIXES
from ..loading import load_pipeline
from ..output import check_writable, save_text
from ..suggestions import suggest_anchors
from ..vocabulary import Vocabulary, load_vocabularies
from . import options as o
from .bundled import bundled_concept, bundled_contexts
from .console import command, print_json, progress, stdout
from .subject import Parts, Subject, bundled_subject, own_subject

OUTPUT = Path("outputs/diagnosis")
TRAJECTORY = "trajectory.json"


@command
def diagnose(
    target: Annotated[
        str | None,
        typer.Argument(
            help="Embedding file or a folder of them, pipeline folder or hub id, or a training's folder; "
            "without it, the bundled miniature."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="For embedding files: the model's folder or file; repeat for one an encoder."),
    ] = None,
    tokenizer: o.Tokenizer = None,
    lora: o.Lora = None,
    embedding: o.Embedding = None,
    custom_diffusion: o.CustomDiffusion = None,
    base: Annotated[
        str | None, typer.Option(help="The model before its fine-tuning, where that is no LoRA or embedding.")
    ] = None,
    placeholder: o.Placeholder = None,
    anchor: o.Anchor = None,
    contexts: Annotated[
        Path | None, typer.Option(help="Text file of sentences, each with {} or the anchor in one place.")
    ] = None,
    contexts_from_llm: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint that writes new ones: http://…/v1.")
    ] = None,
    llm: Annotated[str, typer.Option(help="The endpoint's name for its model.")] = "default",
    alpha: o.Alpha = ALPHA,
    beta: Annotated[float, typer.Option(help="Norm relative to the anchor's.")] = BETA,
    probe: Annotated[bool, typer.Option(help="Ask the denoiser too; needed for a verdict.")] = True,
    paper: Annotated[bool, typer.Option("--paper", help="Also the paper's own statistics.")] = False,
    output: o.Output = OUTPUT,
    device: o.Device = None,
    dtype: o.Dtype = None,
    threads: o.Threads = None,
    json: o.Json = False,
) -> None:
    """Measure what a concept does to the rest of the prompt: dominating, healthy or overlooked.

    An embedding file is compared with the words of --model in a second; a model's text encoder and
    denoiser are asked about many contexts. Writes a report with figures, and the results as JSON.
    """
    check_writable(output)
    if threads:
        torch.set_num_threads(threads)
    path = Path(target).expanduser() if target else None
    if path and (path.name == TRAJECTORY or (path / TRAJECTORY).is_file()):
        from .diagnose_training import diagnose_training

        base_model = model[0] if model else base
        diagnose_training(path, output, model=base_model, contexts=contexts, device=device, as_json_text=json)
        return
    if path and path.exists() and not (path / "model_index.json").is_file():
        found = _files(path, model, tokenizer, anchor, Adjustment(alpha, beta))
    else:
        parts = Parts(target, lora, embedding, custom_diffusion)
        subject, sentences = _subject(parts, placeholder, anchor, device, dtype)
        settings = DiagnosisSettings(probe=ProbeSettings() if probe else None, as_published=paper)
        original = _base(base, parts, device, dtype)
        chosen = _contexts(subject, contexts, contexts_from_llm, llm, sentences, output)
        with progress("Asking", 3 + len(settings.alphas)) as advance:
            one = diagnose_pipeline(
                subject.pipe,
                subject.concept,
                chosen,
                settings,
                base=original,
                subject=str(subject.run.get("LoRA") or subject.run.get("embedding") or subject.run["model"]),
                on_step=advance,
            )
        found = [one]
    _show(found, output, as_json_text=json)


def _files(
    path: Path,
    model: Sequence[str] | None,
    tokenizer: Sequence[str] | None,
    anchor: str | None,
    adjustment: Adjustment,
) -> list[Diagnosis]:
    """Token level, of a file or of all files in a folder."""
    if not model:
        raise PipelineError(
            f"'{path}' is compared with the words of its model. Give the model's folder, or its text "
            f"encoder's "
            "file, with --model."
        )
    vocabularies = load_vocabularies(list(model), tokenizer or ())
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    embeddings, names, anchors = [], [], []
    for file in files:
        try:
            for each in read_all(file):
                anchors.append(anchor or _suggested(each, vocabularies))
                embeddings.append(each)
                names.append(str(file))
        except FileFormatError as error:
            if not path.is_dir():
                raise
            warnings.warn(str(error), UncollapseWarning, stacklevel=2)
    if not embeddings:
        raise FileFormatError(f"{path}: a folder without an embedding file. Give one that holds some.")
    return diagnose_embeddings(embeddings, vocabularies, anchors, adjustment, names)


def _suggested(embedding: LearnedEmbedding, vocabularies: dict[str, Vocabulary]) -> str:
    best = next(iter(suggest_anchors(embedding, vocabularies, 1)), None)
    if best is None:
        raise FileFormatError(f"What is '{embedding.placeholder}'? Name it with --anchor, such as dog.")
    return best.anchor


def _subject(
    parts: Parts, placeholder: str | None, anchor: str | None, device: str | None, dtype: str | None
) -> tuple[Subject, Contexts | None]:
    """What is diagnosed, and the sentences that come with it."""
    if parts == Parts():
        return bundled_subject(placeholder, anchor, {}), bundled_contexts(bundled_concept(placeholder))
    return own_subject(placeholder, anchor, {}, parts, device, dtype), None


def _base(base: str | None, parts: Parts, device: str | None, dtype: str | None) -> Any:
    if base is not None:
        return load_pipeline(base, device=device)
    if parts.custom_diffusion and parts.model:  # it changed the weights: the model is loaded once more
        return load_pipeline(parts.model, device=device)
    if parts.model and not (parts.lora or parts.embedding):
        warnings.warn(
            "Without --base, --lora or --embedding there is nothing to compare the model with but itself.",
            UncollapseWarning,
            stacklevel=2,
        )
    return None


def _contexts(
    subject: Subject, file: Path | None, endpoint: str | None, llm: str, own: Contexts | None, output: Path
) -> Contexts:
    """The sentences, those of the user checked to the letter, the shipped ones cut to what the encoder "
    "hears."""
    concept = subject.concept
    if endpoint:
        try:
            found = ask_for_contexts(endpoint, concept.anchor, model=llm)
        except IncompleteContextsError as error:
            if error.contexts.templates:
                saved = save_text("\n".join(error.contexts.templates) + "\n", output / "contexts.txt")
                raise FileFormatError(f"{error} What came is in '{saved}'.") from error
            raise
        save_text("\n".join(found.templates) + "\n", output / "contexts.txt")
    elif file:
        found = read_contexts(file, concept.anchor)
    else:
        found = own or contexts_for(concept.anchor)
    try:
        tokens, window = token_counts(subject.pipe)
    except PipelineError:
        return found  # the denoiser can be asked all the same
    subjects = [concept.placeholder, concept.anchor]
    kept = fitting(found, subjects, tokens, window, strict=file is not None)
    if len(kept) < len(found):
        warnings.warn(
            f"{len(found) - len(kept)} of {len(found)} sentences are longer than the text encoder's {window} "
            "tokens and are left out.",
            UncollapseWarning,
            stacklevel=2,
        )
    return kept


def _show(found: list[Diagnosis], output: Path, *, as_json_text: bool) -> None:
    files = save_diagnosis(found, output)
    if as_json_text:
        print_json(
            {
                "diagnoses": [as_json(each) for each in found],
                "files": {name: str(path) for name, path in files.items()},
            }
        )
        return
    out = stdout()
    if len(found) == 1:
        _print(found[0])
    else:
        out.print(_overview(found))
    for name, path in files.items():
        out.print(f"{name:10} {path}", markup=False, soft_wrap=True)


def _print(d: Diagnosis) -> None:
    out = stdout()
    out.print(f"[bold]{escape(d.placeholder)}[/bold], anchor {escape(d.anchor)}: ", end="")
    out.print(f"[bold]{d.verdict.word}[/bold]" if d.verdict else "no verdict")
    for reason in d.verdict.reasons if d.verdict else ():
        out.print(f"- {reason}", markup=False)
    if d.verdict and d.verdict.advice:
        a = d.verdict.advice
        out.print(f"Try α {a.alpha:g}, β {a.beta:g}, anchor '{a.anchor}'. {a.expect}", markup=False)
    for note in d.notes:
        out.print(note, style="dim", markup=False)
    if d.tokens:
        out.print(_token_table(d))
    out.print()


def _token_table(d: Diagnosis) -> Table:
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    grid.add_column("encoder")
    for name in ("vector", "× anchor's norm", "percentile", "angle", "cosine"):
        grid.add_column(name, justify="right")
    grid.add_column("nearest words", overflow="fold")
    grid.add_column("adjusted", overflow="fold")
    for row in d.tokens:
        near = [", ".join(word for word, _ in each.nearest[:3]) for each in (row.before, row.after)]
        percentile = f"{row.before.norm_percentile:.0f}"
        numbers = (f"{row.norm_ratio:.2f}", percentile, f"{row.angle:.2f}", f"{row.cosine:.2f}")
        grid.add_row(row.before.encoder, str(row.before.row), *numbers, *map(escape, near))
    return grid


def _overview(found: list[Diagnosis]) -> Table:
    """A line a file."""
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("file", "placeholder", "anchor", "verdict"):
        grid.add_column(name, overflow="fold")
    for name in ("vectors", "× anchor's norm", "lowest cosine"):
        grid.add_column(name, justify="right")
    for d in found:
        verdict = d.verdict or token_verdict(d.tokens, d.anchor)
        longest, lowest = max(row.norm_ratio for row in d.tokens), min(row.cosine for row in d.tokens)
        numbers = (str(len(d.tokens)), f"{longest:.2f}", f"{lowest:.2f}")
        names = map(escape, (Path(d.subject).name, d.placeholder, d.anchor))
        grid.add_row(*names, verdict.word, *numbers)
    return grid
