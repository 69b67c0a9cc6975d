"""The method: move a learned embedding part of the way back toward the word it started from.

With v the learned vector, c the anchor's, α the share of the angle and β the wanted norm,

    ṽ = β|c| · v/|v|        c̃ = β|c| · c/|c|        θ = angle(ṽ, c̃)
    v' = sin((1−α)θ)/sin θ · ṽ  +  sin(αθ)/sin θ · c̃

Source: arXiv:2506.22685, section 4. Every way of setting the norm is |v'| = a|v| + b|c|:

    beta=β          (a, b) = (0, β)        the paper's
    norm_blend=s    (a, b) = (1−s, s)      the released code's, where it is called alpha
    neither         (a, b) = (1, 0)        only the direction moves

so the same few lines serve all three, with one α, β per call or one per token. ``Adjustment`` is the adjuster
(``adjusters``) made of them; it knows one α for all, or one for each role that a vector plays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from .adjusters import Adjuster, ByRole, Places, Role, registered
from .errors import AdjustmentError, EmbeddingError, Setting
from .geometry import norm, turn

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Shaped

__all__ = ["Adjustment", "adjust", "check_settings", "turn_and_scale"]

ALPHA, BETA = 0.2, 1.5  # the paper's, fixed over all its prompts
FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}

Weights = tuple[float, float, float]
"""α, and a and b of |v'| = a|v| + b|c|."""
STAY: Weights = (0.0, 1.0, 0.0)


@registered
@dataclass(frozen=True)
class Adjustment(Adjuster):
    """TEA, the paper's adjuster: how far to move, and how long to be afterwards.

    Args:
        alpha: share of the angle to the anchor, 0 (stay) to 1 (the anchor's direction): one for all vectors,
            or, at prompt level, one for each role. A role of 0 is left as it is, its norm too.
        beta: norm relative to the anchor's, above 0; None leaves the norm to ``norm_blend``.
        norm_blend: 0 keeps the learned norm, 1 takes the anchor's, between them a straight blend.
            It and ``beta`` are two rules for one thing: give it with ``beta=None``.

    With ``beta=None`` and no ``norm_blend`` the learned norm is kept; with ``alpha=0`` as well,
    nothing changes, to the last bit.

    Raises: AdjustmentError, for values out of range or two rules for the norm.
    Source: the defaults are those of arXiv:2506.22685, section 5. The paper has one α; by role is ours.
    """

    name: ClassVar[str] = "tea"
    title: ClassVar[str] = "TEA"

    alpha: float | ByRole = ALPHA
    beta: float | None = BETA
    norm_blend: float | None = None

    def __post_init__(self) -> None:
        check_settings("Adjustment()", self.alpha, self.beta, self.norm_blend)

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        """Every vector by the formula above, with the α of its role."""
        return _by_role([self._weights(role) for role in Role], row, anchor, places)

    def shared(self, others: Sequence[Adjuster]) -> Adjuster:
        """The mean of the settings, role by role: of α, and of a and b in |v'| = a|v| + b|c|."""
        strangers = [other for other in others if not isinstance(other, Adjustment)]
        if strangers:
            return super().shared(strangers)
        mixed = [self, *(other for other in others if isinstance(other, Adjustment))]
        return _Mean(tuple(_mean([one._weights(role) for one in mixed]) for role in Role))

    def settings(self) -> dict[str, Any]:
        """Without a name, as files have them from before there were others."""
        return asdict(self)

    def weakened(self, factor: float) -> Adjustment:
        """The same with α · factor."""
        alpha = self.alpha
        return replace(self, alpha=alpha.times(factor) if isinstance(alpha, ByRole) else alpha * factor)

    @property
    def levels(self) -> frozenset[str]:
        """Both; by role the prompt level alone, for a learned row is the concept's and nothing else."""
        return frozenset({"prompt"}) if isinstance(self.alpha, ByRole) else super().levels

    @property
    def label(self) -> str:
        return f"TEA α {self.alpha:g}"

    def _weights(self, role: Role) -> Weights:
        """(α, a, b) of a role."""
        if not isinstance(self.alpha, ByRole):
            return (self.alpha, *_norm_weights(self.beta, self.norm_blend))
        alpha = self.alpha.of(role)
        return (alpha, *_norm_weights(self.beta, self.norm_blend)) if alpha else STAY


@dataclass(frozen=True)
class _Mean(Adjuster):
    """What words between several concepts follow: (α, a, b) for each role."""

    weights: tuple[Weights, ...]

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        return _by_role(self.weights, row, anchor, places)


def _mean(weights: Sequence[Weights]) -> Weights:
    alpha, own_norm, anchor_norm = (sum(values) / len(weights) for values in zip(*weights, strict=True))
    return alpha, own_norm, anchor_norm


def _by_role(weights: Sequence[Weights], row: Tensor, anchor: Tensor, places: Places) -> Tensor:
    """``turn_and_scale`` with the (α, a, b) of each vector's role."""
    table = torch.tensor(weights, dtype=torch.float64, device=places.role.device)
    alpha, own_norm, anchor_norm = table[places.role.long()].unbind(-1)
    return turn_and_scale(row, anchor, alpha, own_norm, anchor_norm, mask=places.mine)


def adjust(
    prompt_embeds: Tensor,
    anchor_embeds: Tensor,
    alpha: float | Tensor = ALPHA,
    beta: float | Tensor | None = BETA,
    norm_blend: float | Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Move embeddings toward their anchors and set their norm.

        v' = β|c| · slerp(v/|v|, c/|c|, α)

    Row i moves toward row i: pair the words of two prompts first (``uncollapse.alignment``) when the
    prompt and its anchor twin differ in length.

    Args:
        prompt_embeds: what to move, ``[..., tokens, dim]`` or ``[..., dim]``.
        anchor_embeds: where to, broadcast against ``prompt_embeds``; any floating dtype and device.
        alpha: share of the angle, 0 to 1; a number, or a tensor that broadcasts to ``[..., tokens]``.
        beta: norm relative to the anchor's, above 0, likewise; None keeps the norm or leaves it to
            ``norm_blend``.
        norm_blend: 0 keeps the norm, 1 takes the anchor's, likewise. Give it with ``beta=None``.
        mask: boolean, broadcasts to ``[..., tokens]``; rows where it is False come out bit for bit.

    Returns: a new tensor, in the dtype and on the device of ``prompt_embeds``.
        A row is returned unchanged where it or its anchor is zero (padding in several pipelines), and
        where ``alpha`` is 0 and its norm is kept. Opposite vectors turn in the fixed plane of
        ``geometry.turn``. Non-finite rows stay non-finite.
        ``torch.compile`` and ``torch.vmap`` take it as it is; within them the values of tensors among the
        settings are not checked, since nobody can look at them there.
    Raises: AdjustmentError, for settings out of range; EmbeddingError, for tensors that do not fit.
    Source: arXiv:2506.22685, section 4; ``norm_blend`` is the variant of its released code.

    >>> v, c = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 1.0])
    >>> adjust(v, c, alpha=0.5, beta=2.0)
    tensor([1.4142, 1.4142])
    """
    check_settings("adjust()", alpha, beta, norm_blend)
    _check_embeds(prompt_embeds, anchor_embeds)
    own_norm, anchor_norm = _norm_weights(beta, norm_blend)
    return turn_and_scale(prompt_embeds, anchor_embeds, alpha, own_norm, anchor_norm, mask)


def turn_and_scale(
    v: Float[Tensor, "*#batch dim"],
    c: Float[Tensor, "*#batch dim"],
    alpha: float | Tensor,
    own_norm: float | Tensor,
    anchor_norm: float | Tensor,
    mask: Tensor | None = None,
) -> Float[Tensor, "... dim"]:
    """``adjust``, unchecked, its norm rule spelled out: |v'| = own_norm·|v| + anchor_norm·|c|."""
    v, c = torch.broadcast_tensors(v, c.to(v.device))  # type: ignore[no-untyped-call]
    alpha, own_norm, anchor_norm = (_per_token(setting, v) for setting in (alpha, own_norm, anchor_norm))

    still = (alpha == 0) & (own_norm == 1) & (anchor_norm == 0)
    kept = (norm(v) == 0) | (norm(c) == 0) | still
    if mask is not None:
        kept = kept | ~_checked_mask(mask, v)
    kept = kept.unsqueeze(-1)

    # Rows that are kept are also computed, on ones, so that no NaN of theirs reaches a gradient.
    v_safe, c_safe = torch.where(kept, 1, v), torch.where(kept, 1, c)
    length = own_norm * norm(v_safe) + anchor_norm * norm(c_safe)
    moved = length.unsqueeze(-1) * turn(v_safe, c_safe, alpha)
    return torch.where(kept, v, moved.to(v.dtype))


def _norm_weights(beta: Any, norm_blend: Any) -> tuple[Any, Any]:
    """Numbers of numbers, tensors of tensors."""
    if norm_blend is not None:
        return 1 - norm_blend, norm_blend
    return (1.0, 0.0) if beta is None else (0.0, beta)


def _per_token(setting: float | Tensor, v: Float[Tensor, "*tokens dim"]) -> Float[Tensor, "*tokens"]:
    wide = torch.promote_types(v.dtype, torch.float32)
    return _over_tokens("a setting", torch.as_tensor(setting, dtype=wide, device=v.device), v)


def _checked_mask(mask: Tensor, v: Float[Tensor, "*tokens dim"]) -> Bool[Tensor, "*tokens"]:
    if not isinstance(mask, Tensor):
        raise AdjustmentError(
            f"adjust(): mask is a {type(mask).__name__}, but it must be a boolean tensor. Make one with "
            "torch.as_tensor()."
        )
    if mask.dtype != torch.bool:
        raise AdjustmentError(
            f"adjust(): mask is {mask.dtype}, but it must be boolean, True where a token may move. Call "
            "mask.bool() if that is what its ones mean."
        )
    return _over_tokens("mask", mask.to(v.device), v)


def _over_tokens(name: str, values: Tensor, v: Float[Tensor, "*tokens dim"]) -> Shaped[Tensor, "*tokens"]:
    try:
        return values.broadcast_to(v.shape[:-1])
    except RuntimeError as error:
        raise AdjustmentError(
            f"adjust(): {name} of shape {list(values.shape)} does not fit embeddings of shape "
            f"{list(v.shape)}; it must broadcast to {list(v.shape[:-1])}, one value per token. Add axes of "
            "length 1 where it should repeat."
        ) from error


def check_settings(caller: str, alpha: Any, beta: Any = None, norm_blend: Any = None) -> None:
    """Raise AdjustmentError, in the name of ``caller``, for what is out of range or contradictory."""
    for each in alpha if isinstance(alpha, ByRole) else [alpha]:
        _check(caller, "alpha", each, lambda x: (x >= 0) & (x <= 1), "between 0 and 1")
    if beta is not None and norm_blend is not None:
        raise AdjustmentError(
            f"{caller}: beta={beta} and norm_blend={norm_blend} are two rules for the same norm. Pass "
            "beta=None together with norm_blend."
        )
    if beta is not None:
        _check(caller, "beta", beta, lambda x: (x > 0) & (x < float("inf")), "above 0 and finite")
    if norm_blend is not None:
        _check(caller, "norm_blend", norm_blend, lambda x: (x >= 0) & (x <= 1), "between 0 and 1")


def _check(caller: str, name: str, value: Any, allowed: Callable[[Any], Any], wanted: str) -> None:
    if isinstance(value, Tensor):
        _check_kind(caller, name, value)
        within = _all(value, allowed)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise AdjustmentError(
            f"{caller}: ", Setting(name), f"={value!r} must be a number or a tensor {wanted}."
        )
    else:
        within = allowed(value)
    if not within:
        several = isinstance(value, Tensor) and value.ndim > 0
        arrived = f"{value.min().item()}…{value.max().item()}" if several else value
        raise AdjustmentError(
            f"{caller}: ", Setting(name), f"={arrived} is out of range; it must be {wanted}."
        )


def _check_kind(caller: str, name: str, value: Tensor) -> None:
    counts = not (value.dtype.is_floating_point or value.dtype.is_complex or value.dtype == torch.bool)
    if value.layout != torch.strided or not (counts or value.dtype in FLOATS):
        raise AdjustmentError(
            f"{caller}: ",
            Setting(name),
            f" is a tensor of {_kind(value)}, but it must hold real numbers. Give a float32 tensor.",
        )


def _all(values: Tensor, allowed: Callable[[Tensor], Tensor]) -> bool:
    """Whether all are allowed; they pass in a compiled graph or a vmap, where nobody can look at them."""
    if torch.compiler.is_compiling():
        return True
    try:
        return bool(allowed(values).all())
    except RuntimeError:  # vmap refuses to be asked
        return True


def _kind(tensor: Tensor) -> str:
    layout = "" if tensor.layout == torch.strided else f"{tensor.layout}, ".removeprefix("torch.")
    return f"{layout}{tensor.dtype}"


def _check_embeds(prompt_embeds: Tensor, anchor_embeds: Tensor) -> None:
    for name, embeds in (("prompt_embeds", prompt_embeds), ("anchor_embeds", anchor_embeds)):
        _check_vectors(name, embeds)
    both = (
        f"adjust(): anchor_embeds is {list(anchor_embeds.shape)} but prompt_embeds is "
        f"{list(prompt_embeds.shape)}; "
    )
    if prompt_embeds.shape[-1] != anchor_embeds.shape[-1]:
        raise EmbeddingError(
            both + "the last axes differ, so they come from different text encoders. "
            "Encode the anchor with the encoder that made prompt_embeds."
        )
    try:
        torch.broadcast_shapes(prompt_embeds.shape, anchor_embeds.shape)  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise EmbeddingError(
            both + "the leading axes do not match. Pair the tokens of the two prompts first "
            "(uncollapse.alignment), or encode both to the same length."
        ) from error


def _check_vectors(name: str, embeds: Tensor) -> None:
    if not isinstance(embeds, Tensor):
        raise EmbeddingError(
            f"adjust(): {name} is a {type(embeds).__name__}, but embeddings are a tensor, [..., dim]. Make "
            "one with torch.as_tensor()."
        )
    if embeds.layout != torch.strided:
        raise EmbeddingError(
            f"adjust(): {name} is a tensor of {_kind(embeds)}, but embeddings are dense. Call "
            f"{name}.to_dense()."
        )
    if not embeds.is_floating_point() or embeds.ndim == 0:
        raise EmbeddingError(
            f"adjust(): {name} is {embeds.dtype} of shape {list(embeds.shape)}, but embeddings are "
            "floating-point vectors, [..., dim]. Pass the text encoder's output, not token ids."
        )
    if embeds.dtype not in FLOATS:
        raise EmbeddingError(
            f"adjust(): {name} is {embeds.dtype}, in which a direction is lost to rounding. Pass what the "
            f"text encoder computes in, or {name}.float()."
        )
    if embeds.shape[-1] == 0:
        raise EmbeddingError(
            f"adjust(): {name} is of shape {list(embeds.shape)}: its vectors have no components. Pass the "
            "text encoder's output, [..., dim]."
        )
