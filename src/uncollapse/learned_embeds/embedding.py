"""The neutral form of a learned embedding, and which text encoder each of its vectors was made for.

Every layout is read into this and written from it, so that a conversion is a read and a write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..components.names import ENCODERS, ONLY, WIDTHS
from ..errors import EmbeddingError, ForeignFileError

__all__ = ["LearnedEmbedding", "match_encoders"]

PLAIN = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class LearnedEmbedding:
    """One concept's learned vectors.

    Args:
        placeholder: what prompts call it, "<my-cat>"; the file's name where the file does not say.
        vectors: for each text encoder its rows, ``[vectors, dim]`` or ``[dim]``. The encoders are "clip_l",
            "clip_g" and "t5xxl"; or "text_encoder" alone, where a file holds one and does not name it.
        metadata: strings the file keeps beside the vectors; nothing here was made up.
        layout: the layout it was read from.

    Raises: EmbeddingError, for vectors that are not floating point, of another shape, or not finite.

    >>> cat = LearnedEmbedding("<my-cat>", {"text_encoder": torch.ones(768)})
    >>> cat.vectors["text_encoder"].shape
    torch.Size([1, 768])
    """

    placeholder: str
    vectors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    layout: str = "diffusers"

    def __post_init__(self) -> None:
        if not isinstance(self.placeholder, str) or not self.placeholder.strip():
            raise EmbeddingError(
                f"LearnedEmbedding(): placeholder={self.placeholder!r} is empty. Give what prompts call it."
            )
        unknown = [name for name in self.vectors if name not in (*ENCODERS, ONLY)]
        if unknown or not self.vectors or (ONLY in self.vectors and len(self.vectors) > 1):
            raise EmbeddingError(
                f"{self.placeholder!r} has vectors for {list(self.vectors)}, but the encoders are "
                f"{', '.join(map(repr, ENCODERS))}, or {ONLY!r} alone for a model with one."
            )
        checked = {name: self._checked(rows) for name, rows in self.vectors.items()}
        object.__setattr__(self, "vectors", checked)

    def _checked(self, rows: Tensor) -> Tensor:
        plain = rows.dtype in PLAIN and rows.layout == torch.strided and not rows.is_meta
        if rows.ndim not in (1, 2) or not plain or rows.numel() == 0:
            raise EmbeddingError(
                f"{self.placeholder!r} is a {rows.dtype} tensor of shape {list(rows.shape)}, but learned "
                "vectors are floating point of 16 bits or more, dense, [vectors, dim] or [dim]."
            )
        if not rows.isfinite().all():
            raise EmbeddingError(
                f"{self.placeholder!r} holds NaN or infinity: its training diverged. Use an earlier "
                "checkpoint."
            )
        return rows.detach().cpu().reshape(-1, rows.shape[-1])

    def replace(self, **changes: Any) -> LearnedEmbedding:
        """A copy with other fields."""
        return replace(self, **changes)


def match_encoders(embedding: LearnedEmbedding, widths: Mapping[str, int], model: str) -> dict[str, str]:
    """For each encoder of the embedding, the model's encoder it belongs to.

    By name; an embedding or a model with one unnamed encoder by width.

    Args:
        widths: the model's encoders, "text_encoder" for the only one, and the width of their tokens.
        model: what to call the model in an error.

    Raises: ForeignFileError, when one of them has no counterpart; it says which model family the width is of.
    """
    arrived = {name: rows.shape[-1] for name, rows in embedding.vectors.items()}
    if len(arrived) == 1:
        [(name, width)] = arrived.items()
        fitting = [own for own, own_width in widths.items() if own_width == width]
        if ONLY in (name, *widths):
            if not fitting:
                raise _wrong_width(embedding, width, widths, model)
            return {name: fitting[0]}
    foreign = [name for name in arrived if name not in widths]
    if foreign:
        raise ForeignFileError(
            f"{embedding.placeholder!r} has vectors for {_listed(arrived)}, but {model} has "
            f"{_listed(widths)}: it was trained for another model. Use it with a model that has all its "
            "encoders."
        )
    for name, width in arrived.items():
        if widths[name] != width:
            raise _wrong_width(embedding, width, {name: widths[name]}, model)
    return {name: name for name in arrived}


def _wrong_width(
    embedding: LearnedEmbedding, arrived: int, widths: Mapping[str, int], model: str
) -> ForeignFileError:
    origin = f", the width of {WIDTHS[arrived]}" if arrived in WIDTHS else ""
    own = " and ".join(
        f"{width}{f', the width of {WIDTHS[width]}' if width in WIDTHS else ''}" for width in widths.values()
    )
    return ForeignFileError(
        f"The vectors of {embedding.placeholder!r} have {arrived} components{origin}, but the tokens of "
        f"{model} have {own}. Use an embedding trained for this model."
    )


def _listed(widths: Mapping[str, int]) -> str:
    """How an error lists encoders: "2 text encoders, clip_l (768) and clip_g (1280)"."""
    names = " and ".join(
        f"one of width {width}" if name == ONLY else f"{name} ({width})" for name, width in widths.items()
    )
    return f"{len(widths)} text encoder{'s' * (len(widths) > 1)}, {names}"
