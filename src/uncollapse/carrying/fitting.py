"""A low-rank part of the text encoders, fitted to encodings that an adjustment makes.

    h = W·x + B₊·(A₊·x)        A₊, B₊ are fitted; whatever else is in the layer stays

What is compared is what the pipeline's own encode step returns, vector by vector, so that a layer that the
denoiser never hears is not fitted. With |s − t|²/|t|² of each vector s and its target t,

    loss = mean over the concept's tokens + over the context's + over the rest + 2 · over texts that stay

so that one word weighs as much as sixty pads. CLIP looks left only: a prompt is as well encoded in a shorter
window, and most steps take one, which costs a third.
"""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..adjusters import Role
from ..components import Pipeline, text_encoders, tokenizers
from ..concept import Concept
from ..pipelines.anchor_encoder import base_encoder
from ..pipelines.encode_step import tensors_in
from ..pipelines.prompt_level import AdjustedEncode

__all__ = ["Aims", "FitSettings", "aims", "encoded", "fit", "linears", "off", "part_in_force", "staying"]

LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
AT_ONCE = 8  # prompts
WARMUP = 20
STAY = 2.0
SHORTER = 3  # the power of a number from 0 to 1 that says how much of the padding a step hears

Kinds = tuple[list[Tensor], list[Tensor], list[Tensor]]  # targets, roles, as they are
Pair = tuple[Tensor, Tensor]  # A₊ [rank, in], B₊ [out, rank]
Part = dict[tuple[str, str], Pair]
"""By the text encoder's name and the layer's, "encoder.layers.0.self_attn.q_proj"."""


@dataclass(frozen=True)
class FitSettings:
    """How long and on how much is fitted.

    Args:
        rank: that is added.
        captions: around the concept; as many stay.
        steps, lr, batch: of Adam; the rate warms up and falls along a cosine. Half of a batch stays.
        measured: how many contexts and texts are kept back, on which the result is measured.
        seed: of captions and of A₊.
    """

    rank: int = 16
    captions: int = 500
    steps: int = 300
    lr: float = 8e-3
    batch: int = 16
    measured: int = 48
    seed: int = 0


@dataclass(frozen=True)
class Aims:
    """Texts, and what their encodings are to be.

    Args:
        texts: the prompts.
        lengths: of each in tokens.
        targets: of each kind of tensor that the encode step returns, one a row: ``[texts, tokens, dim]`` or,
            pooled, ``[texts, dim]``.
        roles: a ``Role`` for each vector; NONE throughout for texts without the concept.
        before: the encodings as they are.
    """

    texts: Sequence[str]
    lengths: Sequence[int]
    targets: list[Tensor]
    roles: list[Tensor]
    before: list[Tensor]

    def __len__(self) -> int:
        return len(self.texts)


def encoded(pipe: Pipeline, texts: Sequence[str], window: int | None = None) -> list[Tensor]:
    """What the pipeline's encode step makes of prompts, each kind of tensor.

    Args:
        window: how many tokens are heard; None for all.
    """
    with _window(pipe, window):
        encode, bound = _call(pipe, texts)
        return tensors_in(encode(*bound.args, **bound.kwargs))


def aims(
    pipe: Pipeline,
    concept: Concept,
    templates: Sequence[str],
    advance: Callable[[int], None] = lambda count: None,
) -> Aims:
    """Prompts with the concept, and what its adjustment makes of them.

    Args:
        templates: with ``{}`` where the concept goes.
        advance: called after every few texts with their number.
    """
    step = AdjustedEncode(pipe, [concept])
    texts = [template.replace("{}", concept.placeholder) for template in templates]

    def adjusted(batch: Sequence[str]) -> Kinds:
        both = step.encoded(*_call(pipe, batch))
        return tensors_in(both.adjusted([concept])), tensors_in(both.roles), tensors_in(both.result)

    return _gathered(pipe, texts, adjusted, advance)


def staying(
    pipe: Pipeline,
    concept: Concept,
    texts: Sequence[str],
    advance: Callable[[int], None] = lambda count: None,
) -> Aims:
    """Texts without the concept: as they are, or as the base encodes them where the concept says so."""

    def as_they_are(batch: Sequence[str]) -> Kinds:
        before = encoded(pipe, batch)
        roles = [torch.zeros(each.shape[:-1], dtype=torch.int8) for each in before]
        if concept.negative_encoder == "tuned":
            return before, roles, before
        with base_encoder(pipe):
            return encoded(pipe, batch), roles, before

    return _gathered(pipe, texts, as_they_are, advance)


@torch.no_grad()
def _gathered(
    pipe: Pipeline,
    texts: Sequence[str],
    treat: Callable[[Sequence[str]], Kinds],
    advance: Callable[[int], None],
) -> Aims:
    found = []
    for start in range(0, len(texts), AT_ONCE):
        batch = texts[start : start + AT_ONCE]
        found.append(treat(batch))
        advance(len(batch))
    targets, roles, before = (
        [torch.cat(each).cpu() for each in zip(*kind, strict=True)] for kind in zip(*found, strict=True)
    )
    return Aims(texts, _lengths(pipe, texts), targets, roles, before)


def linears(pipe: Pipeline) -> dict[tuple[str, str], nn.Module]:
    """The layers that may be added to, of every text encoder."""
    found: dict[tuple[str, str], nn.Module] = {}
    for part, encoder in text_encoders(pipe).items():
        for name, module in encoder.named_modules():
            if name.endswith(LAYERS) and hasattr(module, "weight"):
                found[part, name.removeprefix("text_model.")] = module
    return found


@contextmanager
def part_in_force(pipe: Pipeline, part: Mapping[tuple[str, str], Pair]) -> Iterator[None]:
    """Within it, the text encoders have the part."""

    def adding(pair: Pair) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        A, B = pair
        return lambda _, given, out: out + (given[0] @ A.T) @ B.T

    layers = linears(pipe)
    hooks = [layers[key].register_forward_hook(adding(pair)) for key, pair in part.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def fit(
    pipe: Pipeline,
    first: Mapping[tuple[str, str], Pair],
    moving: Aims,
    still: Aims,
    settings: FitSettings,
    advance: Callable[[int], None] = lambda count: None,
) -> Part:
    """The part that makes the encodings what they are to be.

    Args:
        first: what the part of a layer begins as; of what is no part of low rank, the nearest that is.
        moving, still: what is aimed at with the concept, and without.
        advance: called with 1 after every step.

    Returns: A₊ and B₊ of every layer that was heard.
    """
    part = _at_first(pipe, first, settings)
    parameters = [each for pair in part.values() for each in pair]
    adam = torch.optim.Adam(parameters, lr=settings.lr, betas=(0.9, 0.99))
    rng = random.Random(settings.seed)
    with part_in_force(pipe, part):
        for step in range(settings.steps):
            done = step / settings.steps
            rate = settings.lr * min(1, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * done))
            for group in adam.param_groups:
                group["lr"] = rate
            rows, others = (rng.choices(range(len(each)), k=settings.batch // 2) for each in (moving, still))
            adam.zero_grad()
            torch.autograd.backward(_loss(pipe, moving, rows, still, others, rng))
            adam.step()
            advance(1)
    return {key: (A.detach(), B.detach()) for key, (A, B) in part.items() if B.any()}


def _at_first(
    pipe: Pipeline, first: Mapping[tuple[str, str], Pair], settings: FitSettings
) -> dict[tuple[str, str], tuple[nn.Parameter, nn.Parameter]]:
    """Every layer's B₊·A₊ as it is to begin; what is left of A₊ is random, and of B₊ zero."""
    generator = torch.Generator().manual_seed(settings.seed)
    part = {}
    for key, layer in linears(pipe).items():
        weight = cast(Tensor, layer.weight)  # a PEFT layer gives that of what it wraps
        A = torch.randn(settings.rank, weight.shape[1], generator=generator) / weight.shape[1] ** 0.5
        B = torch.zeros(weight.shape[0], settings.rank)
        if key in first:
            own = _nearest(*first[key], settings.rank)
            A[: len(own[0])], B[:, : len(own[0])] = own
        part[key] = nn.Parameter(A.to(weight.device)), nn.Parameter(B.to(weight.device))
    return part


def _nearest(A: Tensor, B: Tensor, rank: int) -> Pair:
    """A and B, or of a larger rank the product nearest to theirs, by its singular values."""
    A, B = A.float(), B.float()
    if len(A) <= rank:
        return A, B
    Q, R = torch.linalg.qr(B)
    U, S, V = torch.linalg.svd(R @ A, full_matrices=False)
    root = S[:rank].sqrt()
    return root[:, None] * V[:rank], (Q @ U[:, :rank]) * root


def _loss(
    pipe: Pipeline, moving: Aims, rows: list[int], still: Aims, others: list[int], rng: random.Random
) -> Tensor:
    lengths = [moving.lengths[i] for i in rows] + [still.lengths[i] for i in others]
    whole = moving.roles[0].shape[-1]
    longest = min(whole, max(lengths))
    window = longest + math.ceil((whole - longest) * rng.random() ** SHORTER)
    texts = [moving.texts[i] for i in rows] + [still.texts[i] for i in others]
    total = torch.zeros(())
    for kind, now in enumerate(encoded(pipe, texts, window)):
        own, rest = now[: len(rows)], now[len(rows) :]
        roles = _heard(moving.roles[kind][rows], own)
        error = off(own, _heard(moving.targets[kind][rows], own))
        total = total + sum(error[roles == role].mean() for role in Role if role and (roles == role).any())
        total = total + STAY * off(rest, _heard(still.targets[kind][others], rest)).mean()
    return total


def off(vectors: Tensor, targets: Tensor) -> Tensor:
    """|s − t|²/|t|² of each."""
    difference = (vectors.float() - targets.float()).square().sum(-1)
    return difference / targets.float().square().sum(-1).clamp(min=1e-12)


def _heard(whole: Tensor, like: Tensor) -> Tensor:
    """What there is of it in a shorter window."""
    if like.ndim == 3:
        whole = whole[:, : like.shape[1]]
    return whole.to(like.device)


def _call(pipe: Pipeline, texts: Sequence[str]) -> tuple[Callable[..., Any], inspect.BoundArguments]:
    encode = pipe.encode_prompt
    device = next(iter(text_encoders(pipe).values())).device
    how = {"device": device, "num_images_per_prompt": 1, "do_classifier_free_guidance": False}
    return encode, inspect.signature(encode).bind(list(texts), **how)


@contextmanager
def _window(pipe: Pipeline, window: int | None) -> Iterator[None]:
    known = tokenizers(pipe)
    before = [each.model_max_length for each in known]
    try:
        for each in known if window else ():
            each.model_max_length = window or 0
        yield
    finally:
        for each, length in zip(known, before, strict=True):
            each.model_max_length = length


def _lengths(pipe: Pipeline, texts: Sequence[str]) -> list[int]:
    """How many tokens each is, for the tokenizer that makes most of it."""
    counts = [[len(each(text)["input_ids"]) for text in texts] for each in tokenizers(pipe)]
    return [max(of) for of in zip(*counts, strict=True)]
