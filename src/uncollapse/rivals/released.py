"""What the paper's released code does, its errors included: for researchers who must reproduce its figures.

    v' = ((1−a)|v| + a|c|) · slerp(v/|v|, c/|c|, ρ)

with ρ the paper's α and a a blend of norms, there called ``alpha``. Beside that formula it differs from the
paper, and from ``Adjustment``, in what c is:

    1  at token level, the entry of the vocabulary that has the anchor's letters: CLIP's "man" is the piece
       inside words, the word of a prompt is "man</w>"
    2  at prompt level, what stands in the same *place* of the prompt with the anchor, whatever word that is
    3  and that prompt is encoded by the fine-tuned encoder, which has drifted along

The negative prompt comes out as it is; the released code adjusts it too. Of Flux it moves the pooled vector
alone: that is ``encoders="pooled"``.

Source: https://github.com/tuananhbui89/Embedding-Adjustment, read and run; nothing here is taken from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from ..adjusters import Adjuster, Beside, Places, registered
from ..adjustment import turn_and_scale
from ..errors import AdjustmentError

__all__ = ["Released"]


@registered
@dataclass(frozen=True)
class Released(Adjuster):
    """The released code's adjustment, with its pairing by place, its tuned anchor and its looked-up token.

    ``apply`` warns of it. ``anchor_encoder`` plays no part.

    Args:
        rho: the paper's α, 0 to 1.
        alpha: 0 keeps the learned norm, 1 takes the anchor's.

    Raises: AdjustmentError, out of range.
    """

    name: ClassVar[str] = "released"
    title: ClassVar[str] = "Released code"
    beside: ClassVar[Beside] = Beside.RELEASED

    rho: float
    alpha: float

    def __post_init__(self) -> None:
        for name, value in (("rho", self.rho), ("alpha", self.alpha)):
            if not 0 <= value <= 1:
                raise AdjustmentError(
                    f"Released(): {name}={value} is out of range; it must be between 0 and 1."
                )

    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        return turn_and_scale(row, anchor, self.rho, 1 - self.alpha, self.alpha)

    def weakened(self, factor: float) -> Released:
        """The same with ρ · factor."""
        return replace(self, rho=self.rho * factor)

    @property
    def label(self) -> str:
        return f"Released code ρ {self.rho:g} α {self.alpha:g}"
