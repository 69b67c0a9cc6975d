"""What to run after a diagnosis or a comparison: the command, as exact as it can be, and what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..adjustment import Adjustment
from ..comparison import Arm, typed_arm
from ..concept import Concept
from ..diagnosis import Contexts, Diagnosis, TrainingDiagnosis, best_kept
from ..reports.page import NextStep
from ..subjects import Parts, miniature_called
from ..training import method_of
from ..trajectory import Trajectory
from .typed import Typed, line, without

__all__ = ["after_drawing", "after_files", "after_model", "after_training", "named_parts"]

AS_IT_IS = ("--alpha", "0", "--norm-blend", "0")  # which changes nothing
EYES = {"clip": "CLIP", "references": "PHOTOS"}
WHO_LOOKS = "CLIP stands for the folder or hub id of one, PHOTOS for the folder of the subject's photos."


def after_files(found: Sequence[Diagnosis], models: Sequence[str], given: Typed, output: Path) -> NextStep:
    """Of a file: what becomes of the pictures; of several: the worst by itself.

    Args:
        found: the worst first.
        models: with whose words they were compared.
        given: what was typed.
        output: where the report on them is, which is not written over.
    """
    worst = found[0]
    if len(found) > 1:
        own = {"target": (worst.subject,), "anchor": ("--anchor", worst.anchor)}
        own["output"] = ("--output", str(output / Path(worst.subject).stem))
        again = line("diagnose", given={**without(given, "json"), **own})
        return NextStep("The worst of them by itself, with its vectors and figures:", again)
    pipeline = next((each for each in models if _is_pipeline(each)), None)
    why = "What a drift costs, only the model shows, with the embedding in it."
    if pipeline is None:
        why += " MODEL stands for the pipeline's folder."
    named = ("--embedding", worst.subject, "--placeholder", worst.placeholder, "--anchor", worst.anchor)
    apart = ("--output", f"{output}-model")
    return NextStep(why, line("diagnose", pipeline or "MODEL", *named, *apart))


def after_model(
    found: Diagnosis,
    parts: Parts,
    concept: Concept,
    contexts: Contexts,
    given: Typed,
    *,
    seen: bool,
    tuned: Arm | None = None,
) -> NextStep:
    """The denoiser where it was not asked, pictures where none were measured, and then what they came to.

    Args:
        parts: what was diagnosed.
        seen: whether somebody looks at the pictures without being named.
        tuned: how the preset draws that was given, if one was.
    """
    if found.probe is None and "probe" in given:
        return NextStep(
            "For a verdict the denoiser is asked:", line("diagnose", given=without(given, "probe", "json"))
        )
    if found.pictures is None or not (seen or found.pictures.comparison.scores):
        return _drawing(given, seen)
    word = found.verdict.word if found.verdict else ""
    if word == "overlooked":
        return _training_longer(parts, concept, given)
    drawn = [*named_parts(parts, concept), "--prompt", contexts.about(concept.placeholder)[0]]
    if found.verdict is None or found.verdict.advice is None:
        why = "Nothing is to be cured. " if word == "healthy" else ""
        return NextStep(f"{why}To draw with it as it is:", line("generate", *drawn, *AS_IT_IS))
    advice = found.verdict.advice
    why = f"To draw with {advice.strength}, beside the concept as it is:"
    if advice.arm == tuned:
        strength = (*given["preset"], *given.get("anyway", ()))
        return NextStep(why, line("generate", *drawn, *strength, "--compare"))
    why = f"uncollapse tune measures on pictures which of a dozen ways serves best. {why}"
    return NextStep(why, line("generate", *drawn, *_strength(advice.arm), "--compare"))


def after_training(
    found: TrainingDiagnosis, model: str, contexts: Contexts, given: Typed, *, seen: bool
) -> NextStep:
    """Pictures, where the checkpoint to keep is not known without; else how it is drawn with.

    Args:
        model: the base model.
        seen: whether somebody looks at the pictures without being named.
    """
    kept, t = best_kept(found), found.trajectory
    if kept is None:
        return _drawing(given, seen)
    file = next(t.path(each) for each in t.checkpoints if each.step == kept.step)
    concept, prompt = (
        ["--placeholder", t.placeholder, "--anchor", t.class_word],
        contexts.about(t.placeholder)[0],
    )
    drawn = [model, _option(t, file), str(file), *concept, "--prompt", prompt]
    why = f"To draw with the checkpoint of {kept.name}:"
    return NextStep(why, line("generate", *drawn, *_strength(kept.arm)))


def after_drawing(parts: Parts, concept: Concept) -> NextStep:
    """What is wrong with what was drawn beside the base model and adjusted."""
    why = "Whether the concept drowns its context out, measured, and which strength it wants:"
    return NextStep(why, line("diagnose", *named_parts(parts, concept)))


def _training_longer(parts: Parts, concept: Concept, given: Typed) -> NextStep:
    _, photos = given.get("references", ("", "PHOTOS"))
    if parts.embedding:
        method = "textual-inversion"
    else:
        method = "custom-diffusion" if parts.custom_diffusion else "dreambooth-lora"
    model = ("--model", parts.model) if parts.model else ()
    named = ("--placeholder", concept.placeholder, "--class-word", concept.anchor)
    why = "The subject is hardly there: train with more --steps than it had."
    if photos == "PHOTOS":
        why += " PHOTOS stands for the folder of the subject's photos."
    return NextStep(why, line("train", method, photos, *model, *named, "--output", "outputs/longer"))


def _drawing(given: Typed, seen: bool) -> NextStep:
    """The same once more, with pictures, and somebody who looks at them."""
    images = () if "images" in given else ("--images", "1")
    missing = {} if seen else {name: stands for name, stands in EYES.items() if name not in given}
    eyes = [word for name, stands in missing.items() for word in (f"--{name}", stands)]
    why = "Only pictures show what is kept of the context and of the likeness."
    again = line("diagnose", *images, *eyes, given=without(given, "json"))
    return NextStep(f"{why} {WHO_LOOKS}" if missing else why, again)


def _strength(arm: Arm) -> tuple[str, ...]:
    """The options that draw by an arm."""
    if not arm.altered:
        return AS_IT_IS
    tea = arm.adjuster
    if not isinstance(tea, Adjustment) or arm != Arm(arm.name, tea):
        return ("--arm", typed_arm(arm))
    settings = {"--alpha": tea.alpha, "--beta": tea.beta, "--norm-blend": tea.norm_blend}
    return tuple(w for flag, x in settings.items() if x is not None for w in (flag, f"{x:g}"))


def named_parts(parts: Parts, concept: Concept) -> list[str | None]:
    """The parts and the concept, as every command takes them."""
    options = {
        "--lora": parts.lora,
        "--embedding": parts.embedding,
        "--custom-diffusion": parts.custom_diffusion,
        "--placeholder": concept.placeholder,
        "--anchor": concept.anchor,
    }
    return [
        parts.model,
        *(word for flag, value in options.items() if value is not None for word in (flag, value)),
    ]


def _option(trajectory: Trajectory, file: Path) -> str:
    """Which option takes a checkpoint of this training."""
    if file.is_dir():
        return "--custom-diffusion"
    return "--embedding" if method_of(trajectory).level == "token" else "--lora"


def _is_pipeline(model: str) -> bool:
    path = Path(model).expanduser()
    return (path / "model_index.json").is_file() or (
        not path.exists() and miniature_called(model) is not None
    )
