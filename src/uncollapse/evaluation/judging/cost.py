"""What asking will cost, before it is asked: requests, pictures, tokens, money.

Servers count a picture's tokens differently, some thirty times as high as others; so tokens are those that
the replies so far were billed with. A first run with a small ``--limit`` tells what the whole will take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ...admission import json_from
from .items import Item
from .judge import Judging

__all__ = ["Cost", "cost"]

Price = tuple[float, float]


@dataclass(frozen=True)
class Cost:
    """What open questions will take.

    Args:
        requests: how many are not answered yet.
        pictures: that are sent with them.
        tokens: (read, written) by all of them; None where no reply of this model says what one takes.
        money: in the currency of the price; None without a price or tokens.
        measured: how many replies that rests on.
    """

    requests: int
    pictures: int
    tokens: tuple[int, int] | None
    money: float | None
    measured: int

    def __str__(self) -> str:
        said = f"{self.requests} requests with {self.pictures} pictures"
        if self.tokens is None:
            return (
                f"{said}. What a request takes is known after some replies: ask a few with --limit 5 first."
            )
        read, written = self.tokens
        said += f", about {read:,} tokens read and {written:,} written, by {self.measured} replies so far"
        return f"{said}." if self.money is None else f"{said}: about {self.money:.2f} by that price."


def cost(judging: Judging, asked: Sequence[Item], price: Price | None = None) -> Cost:
    """What open questions will take.

    Args:
        judging: the model, and its replies so far.
        asked: what ``Judging.open`` gave.
        price: of a million tokens (read, written).
    """
    pictures = sum(1 + len(item.photos) for item in asked)
    billed = (_usage(reply.body, reply.request, judging.model) for reply in judging.replies)
    used = [each for each in billed if each]
    if not used:
        return Cost(len(asked), pictures, None, None, 0)
    read, written = (round(len(asked) * fmean(column)) for column in zip(*used, strict=True))
    money = None if price is None else (read * price[0] + written * price[1]) / 1e6
    return Cost(len(asked), pictures, (read, written), money, len(used))


def _usage(body: str, request: dict[str, Any], model: str) -> tuple[int, int] | None:
    """The tokens that a reply of this model was billed with; None where it does not say."""
    try:
        usage = json_from(body)["usage"]
        found = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
    except (ValueError, TypeError, LookupError):
        return None
    return found if request.get("model") == model else None
