"""What the denoiser still hears of the context: the one place where a collapse outside the text shows.

For each context, at the same noisy latent x_t,

    Δ  = ε(x_t, "V* in the snow") − ε(x_t, "V*")         the personalised model
    Δ₀ = ε₀(x_t, "dog in the snow") − ε₀(x_t, "dog")     the base model, the anchor word

    response = Σ |Δ| / Σ |Δ₀|        how strongly the context moves the prediction
    cosine   = mean cos(Δ, Δ₀)       whether it moves it the same way
    heard    = Σ ⟨Δ, Δ₀⟩ / Σ |Δ₀|²   how much of the base model's own response is there; 1 is all of it
    presence = Σ |ε − ε₀| / Σ |Δ₀|   with context in both: how much the concept changes what is drawn there

Two denoiser calls a context, instead of an image's forty. A denoiser may predict noise, velocity (v) or
flow: at one x_t and one t these differ by a factor and by terms without the prompt, so all these figures
are the same for each, and nothing is converted.

The pipeline itself is called, and stopped at its first denoiser call: whatever it hands its denoiser,
adjusted or not, is what is probed. Only the timestep and the latent are exchanged. x_t is noise without
an image in it, which early in sampling is nearly what a pipeline has there. Of t = 400, 600, 750, 850 and
950 of 1000, the last ranked the miniature's LoRAs best by the context their pictures kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..comparison import Arm
from ..components import DENOISERS, Pipeline, denoiser, without_adapters
from ..concept import Concept
from ..errors import PipelineError
from ..metrics.sets.bootstrap import Interval, mean_interval
from ..pipelines.encoder_calls import routing

__all__ = ["Probe", "ProbeSettings", "Response", "arm_response", "base_response", "probe", "response"]

BARE = "a photo of {}"


@dataclass(frozen=True)
class ProbeSettings:
    """Where the denoiser is probed.

    Args:
        timesteps: as shares of the training schedule, 0 (image) to 1 (noise).
        seeds: of the noise; every prompt meets the same.
        batch_size: prompts at once.
    """

    timesteps: tuple[float, ...] = (0.95,)
    seeds: tuple[int, ...] = (0, 1)
    batch_size: int = 8

    def __post_init__(self) -> None:
        if not self.timesteps or not self.seeds or not all(0 < t <= 1 for t in self.timesteps):
            raise PipelineError(
                f"ProbeSettings(timesteps={self.timesteps}, seeds={self.seeds}): give at least one of each; "
                "timesteps are shares of the schedule, above 0 and at most 1, such as 0.95."
            )


@dataclass(frozen=True)
class Response:
    """A model's predictions for a subject with each context and without.

    Args:
        with_context: ``[contexts, probes, values]``; a probe is one timestep with one seed.
        without: ``[probes, values]``.
    """

    with_context: Tensor
    without: Tensor

    @property
    def to_context(self) -> Tensor:
        """Δ, ``[contexts, probes · values]``."""
        return (self.with_context - self.without).flatten(1)


@dataclass(frozen=True)
class Probe:
    """What is heard of each context, and of all.

    Args:
        response: how strongly the context moves the prediction, relative to the base model; with an interval
            over contexts, as are the following.
        cosine: whether it moves it the same way as the base model's, −1 to 1.
        heard: how much of the base model's own response is there; 1 is all of it.
        presence: how much the concept changes what is drawn in a context, relative to what the context does.
        by_context: ``[contexts]``: ``heard`` for each context alone.
    """

    response: Interval
    cosine: Interval
    heard: Interval
    presence: Interval
    by_context: Tensor


def probe(ours: Response, base: Response) -> Probe:
    """Compare a personalised model's response with the base model's.

    Raises: PipelineError, when the base model itself does not respond to any context.
    """
    d, d0 = ours.to_context.double(), base.to_context.double()
    size, size0, along = d.norm(dim=1), d0.norm(dim=1), (d * d0).sum(1)
    if not (size0 > 0).all():
        raise PipelineError(
            "probe(): the base model's prediction does not change with the context at all, so there is "
            "nothing to compare with. Give prompts that say something besides the subject."
        )
    cosine = along / (size * size0).clamp(min=1e-30)
    moved = (ours.with_context - base.with_context).flatten(1).double().norm(dim=1)
    return Probe(
        response=mean_interval(size, size0),
        cosine=mean_interval(cosine),
        heard=mean_interval(along, size0.square()),
        presence=mean_interval(moved, size0),
        by_context=along / size0.square(),
    )


def response(
    pipe: Pipeline,
    subject: str,
    templates: Sequence[str],
    settings: ProbeSettings | None = None,
    bare: str = BARE,
) -> Response:
    """What ``pipe`` predicts for a subject in each context, and in none.

    Args:
        pipe: any diffusers pipeline with a U-Net or a transformer; adjusted by ``apply`` or not.
        subject: the placeholder, or the anchor.
        templates: prompts with ``{}`` for the subject.
        bare: the template without a context.

    Raises: PipelineError, when the pipeline cannot be called with a prompt alone.
    """
    prompts = [template.replace("{}", subject) for template in [bare, *templates]]
    without, *with_context = _predictions(pipe, prompts, settings or ProbeSettings())
    return Response(torch.stack(with_context), without)


def base_response(
    pipe: Pipeline,
    concept: Concept,
    templates: Sequence[str],
    settings: ProbeSettings | None = None,
    base: Pipeline | None = None,
    bare: str = BARE,
) -> Response:
    """The base model's response to the anchor word: of ``base``, or of ``pipe`` with its adapters off."""
    if base is not None:
        return response(base, concept.anchor, templates, settings, bare)
    with without_adapters(pipe):
        return response(pipe, concept.anchor, templates, settings, bare)


def arm_response(
    pipe: Pipeline,
    concept: Concept,
    arm: Arm,
    templates: Sequence[str],
    settings: ProbeSettings | None = None,
    base: Pipeline | None = None,
) -> Response:
    """What is predicted while ``arm`` is in force, for what it asks for; its call's arguments play no part.

    Args:
        pipe: with the concept in it; left as it was found.
        templates: prompts with ``{}`` for the subject.
        settings: at which timesteps and seeds the denoiser is asked; None for the usual.
        base: a pipeline that was never fine-tuned; None for ``pipe`` with its adapters off.

    Raises: PipelineError.
    """
    with arm.drawing(pipe, concept, base) as drawer:
        return response(drawer, arm.asked(concept, "{}"), templates, settings)


class _Heard(Exception):  # noqa: N818
    """Carries the predictions out of the pipeline's call."""

    def __init__(self, predictions: Tensor) -> None:
        self.predictions = predictions


def _predictions(pipe: Pipeline, prompts: Sequence[str], settings: ProbeSettings) -> Iterator[Tensor]:
    """``[probes, values]`` for each prompt."""
    size = settings.batch_size
    for start in range(0, len(prompts), size):
        yield from _batch(pipe, list(prompts[start : start + size]), settings)


def _batch(pipe: Pipeline, prompts: list[str], settings: ProbeSettings) -> Tensor:
    def route(name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        bound = inspect.signature(forward).bind(*args, **kwargs)
        raise _Heard(_probed(pipe, forward, bound, len(prompts), settings))

    try:
        with routing(pipe, route, DENOISERS), _silent(pipe), torch.inference_mode():
            pipe(prompt=prompts, num_inference_steps=2, **_without_guidance(pipe))
    except _Heard as heard:
        return heard.predictions.clone()
    except (TypeError, ValueError) as error:
        raise PipelineError(
            f"response(): {type(pipe).__name__} cannot be called with a prompt alone: {error} Probe the "
            "text-to-image pipeline of the same model."
        ) from error
    raise PipelineError(
        f"response(): {type(pipe).__name__} never called a {' or '.join(DENOISERS)}, so there is nothing to "
        "probe."
    )


def _probed(
    pipe: Pipeline,
    forward: Callable[..., Any],
    bound: inspect.BoundArguments,
    count: int,
    settings: ProbeSettings,
) -> Tensor:
    """The denoiser's answers to the pipeline's own arguments, ``[prompts, probes, values]``."""
    sample = next(iter(bound.arguments))
    given, given_t = bound.arguments[sample], torch.as_tensor(bound.arguments["timestep"])
    first = float(pipe.scheduler.timesteps[0])
    whole = pipe.scheduler.config.num_train_timesteps * float(given_t.flatten()[0]) / first  # 1000 or 1
    answers = []
    for share in settings.timesteps:
        for seed in settings.seeds:
            noise = torch.randn(given.shape[1:], generator=torch.Generator().manual_seed(seed)).to(given)
            bound.arguments[sample] = (noise * _noise_level(pipe, share)).expand_as(given)
            bound.arguments["timestep"] = torch.full_like(given_t, share * whole).to(given.device)
            answer = forward(*bound.args, **bound.kwargs)
            answer = answer[0] if isinstance(answer, tuple) else answer.sample
            answers.append(answer[-count:].flatten(1).float())  # with guidance the negative ones come first
    return torch.stack(answers, 1)


def _noise_level(pipe: Pipeline, share: float) -> float:
    """The noise's share of x_t: the variance is kept in diffusion, flow mixes straight."""
    return share if "FlowMatch" in type(pipe.scheduler).__name__ else 1.0


def _without_guidance(pipe: Pipeline) -> dict[str, float]:
    """Guidance off, where it is done by a second denoiser call and not by an input of the denoiser."""
    guided_inside = getattr(getattr(denoiser(pipe), "config", None), "guidance_embeds", False)
    takes_it = "guidance_scale" in inspect.signature(type(pipe).__call__).parameters
    return {"guidance_scale": 1.0} if takes_it and not guided_inside else {}


@contextmanager
def _silent(pipe: Pipeline) -> Iterator[None]:
    """Without the bar of a run that is cut short."""
    earlier = dict(getattr(pipe, "_progress_bar_config", {}))
    pipe.set_progress_bar_config(**earlier | {"disable": True})
    try:
        yield
    finally:
        pipe.set_progress_bar_config(**earlier)
