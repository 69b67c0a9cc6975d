"""The one seam through which vectors are changed: what an adjuster is given, and what it gives back.

An adjuster is a frozen dataclass of settings with one method. It gets a whole row of vectors, the anchor's
row beside it, partner by partner, and for each vector whose it is and what *role* it plays:

    CONCEPT   a concept's own tokens: those that may be moved are its own, others another concept's
    CONTEXT   the other words of the prompt
    REST      what no single word stands for: BOS, EOS, padding, a template's tokens, pooled vectors, means
    NONE      what follows no concept: another row of the batch, a mask, a word without a partner

so that one which looks at every vector alone (the paper's, ``adjustment.Adjustment``) fits as well as one
which looks at a vector's neighbours. One that has to know the model first is *fitted* to it, and one that
wants something else ``Beside`` each vector than the anchor's says so. Whoever writes one registers it under a
name, and the commands know it. Where a pipeline hides which words its encoders were given, whatever follows a
concept is of the REST.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum, IntEnum, auto
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from .errors import AdjustmentError

__all__ = ["ADJUSTERS", "Adjuster", "Beside", "ByRole", "Places", "Role", "adjust_rows", "registered"]


class Role(IntEnum):
    """What a vector stands for in its prompt."""

    NONE = 0
    CONCEPT = 1
    CONTEXT = 2
    REST = 3


@dataclass(frozen=True)
class Places:
    """Whose the vectors of a row are.

    Args:
        role: a ``Role`` for each vector, ``[..., tokens]``, int8.
        mine: the vectors that the adjuster may move, ``[..., tokens]``, boolean: those of its concept, and
            those that all concepts of the prompt share.
    """

    role: Tensor
    mine: Tensor

    @classmethod
    def all(cls, role: Role, vectors: Tensor) -> Places:
        """All of ``vectors [..., dim]`` in one role, and the adjuster's own."""
        shape, device = vectors.shape[:-1], vectors.device
        return cls(
            torch.full(shape, int(role), dtype=torch.int8, device=device),
            torch.ones(shape, dtype=torch.bool, device=device),
        )


@dataclass(frozen=True)
class ByRole:
    """One number for each role, where a setting takes more than one for all.

    Args:
        concept: of the concept's own tokens.
        context: of the other words of the prompt.
        rest: of what no single word stands for: BOS, EOS, padding, a template's tokens, pooled vectors.

    >>> ByRole.parsed("0/1/0.8")
    ByRole(concept=0.0, context=1.0, rest=0.8)
    >>> str(ByRole(0, 1, 0.8))
    '0/1/0.8'
    """

    concept: float
    context: float
    rest: float

    @classmethod
    def parsed(cls, text: str) -> ByRole:
        """What ``str`` writes: the three numbers, concept's first, with strokes between them.

        Raises: ValueError, for anything else.
        """
        numbers = [float(part) for part in text.split("/")]
        if len(numbers) != 3:
            raise ValueError(f"{text!r} is not CONCEPT/CONTEXT/REST, three numbers")
        return cls(*numbers)

    def of(self, role: Role) -> float:
        """The number of a role; 0 of NONE, whose vectors no adjuster moves."""
        return {Role.CONCEPT: self.concept, Role.CONTEXT: self.context, Role.REST: self.rest}.get(role, 0.0)

    @classmethod
    def at(cls, setting: float | ByRole, places: Places) -> float | Tensor:
        """A setting for each vector, ``[..., tokens, 1]``; as it is, where it is one number for all."""
        if not isinstance(setting, ByRole):
            return setting
        table = torch.tensor([setting.of(role) for role in Role], device=places.role.device)
        return table[places.role.long()].unsqueeze(-1)

    def times(self, factor: float) -> ByRole:
        """Each number times ``factor``."""
        return ByRole(self.concept * factor, self.context * factor, self.rest * factor)

    def __iter__(self) -> Iterator[float]:
        return iter((self.concept, self.context, self.rest))

    def __format__(self, spec: str) -> str:
        return "/".join(format(number, spec) for number in self)

    def __str__(self) -> str:
        return format(self, "g")


class Beside(Enum):
    """What an adjuster is given as the anchor of each vector."""

    ANCHOR = auto()
    """The anchor's: of the same word in the prompt with the anchor; at token level of the anchor's text."""

    EMPTY = auto()
    """At prompt level, what the empty prompt has in the same place."""

    RELEASED = auto()
    """What the paper's released code takes: in the prompt with the anchor what stands in the same place, by
    the tuned encoder; at token level the vocabulary's entry of the anchor's name."""


Given = tuple[Tensor, Tensor, Places]
"""What an adjuster is given: a row, what stands beside it, and whose its vectors are."""


@dataclass(frozen=True)
class Adjuster(ABC):
    """How vectors are changed. A subclass adds its settings as fields, and ``adjust``.

    ``name`` is what commands and files call it, ``title`` what people read. ``contexts`` are prompts, ``{}``
    where the concept goes, that it wants to be ``fitted`` to.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    beside: ClassVar[Beside] = Beside.ANCHOR
    contexts: ClassVar[Sequence[str]] = ()

    @property
    def levels(self) -> frozenset[str]:
        """Where it is meant to be used; a subclass may state it as a plain attribute.

        At the "token" level it gets a concept's learned rows, all in the role CONCEPT; at the "prompt" level
        the rows of a text encoder's output.
        """
        return frozenset({"token", "prompt"})

    @abstractmethod
    def adjust(self, row: Tensor, anchor: Tensor, places: Places) -> Tensor:
        """The row as it is to be.

        Several rows, whose roles may differ, come at once: leading axes are to be broadcast over.

        Args:
            row: the prompt's vectors, ``[..., tokens, dim]``; at token level the learned rows. A pooled
                vector is a row of its own, of one token.
            anchor: where each may move to, broadcast against ``row``.
            places: whose they are.

        Returns: ``[..., tokens, dim]``, in the dtype and on the device of ``row``. What it holds at places
            that are not ``places.mine`` is not used.
        """

    def fitted(self, examples: Iterable[Given]) -> Adjuster:
        """The same, knowing the model that it is going to adjust.

        Args:
            examples: at token level the vocabulary as one row, ``[tokens, dim]``, beside itself, in the role
                NONE, without learned tokens; at prompt level what the prompts of ``contexts`` give.
        """
        return self

    def shared(self, others: Sequence[Adjuster]) -> Adjuster:
        """What vectors follow that this concept shares with others', such as the words between two.

        Raises: AdjustmentError, unless all are the same; one that can be mixed with others says how.
        """
        for other in others:
            if other != self:
                raise AdjustmentError(
                    f"apply(): {self.label} and {other.label} cannot share the words of a prompt that both "
                    "their concepts are in. Give both concepts the same adjuster and settings."
                )
        return self

    def weakened(self, factor: float) -> Adjuster:
        """The same at a share of its strength, as a schedule asks for it; 0 changes nothing of a direction.

        Raises: AdjustmentError, for one that has no strength.
        """
        raise AdjustmentError(
            f"apply(): {self.label} has no strength that could follow a schedule. Leave the schedule out."
        )

    def settings(self) -> dict[str, Any]:
        """What files say of it: its name and its settings."""
        return {"adjuster": self.name, **asdict(self)}

    @property
    def label(self) -> str:
        """What people read of it and its settings: "TEA α 0.2"."""
        return self.title or type(self).__name__


A = TypeVar("A", bound=type[Adjuster])
ADJUSTERS: dict[str, type[Adjuster]] = {}
"""By name, in the order in which they were registered."""


def registered(adjuster: A) -> A:
    """Make an adjuster known to the commands, by its ``name``. A class decorator."""
    ADJUSTERS[adjuster.name] = adjuster
    return adjuster


def adjust_rows(adjuster: Adjuster, rows: Tensor, anchor: Tensor, vocabulary: Tensor) -> Tensor:
    """A concept's learned rows as they are to be, ``[vectors, dim]``.

    Args:
        rows: as they were learned, ``[vectors, dim]``.
        anchor: where to, ``[dim]``.
        vocabulary: the token table without learned tokens, ``[tokens, dim]``.
    """
    knowing = adjuster.fitted([(vocabulary, vocabulary, Places.all(Role.NONE, vocabulary))])
    return knowing.adjust(rows, anchor, Places.all(Role.CONCEPT, rows))
